# A VPC with three kinds of subnet in every zone:
#
#   public   for NAT gateways and, where one is wanted, load balancers that face the internet
#   private  for nodes, pods and internal load balancers; out through NAT
#   data     for databases and Redis; no way out at all
#
# CloudFront reaches the internal load balancer through a VPC origin, so nothing of ours listens on the internet.

locals {
  # Zone to its number. The private subnets take the first sixteenths of the network, one each; the small ones the end.
  zones     = { for number, zone in var.zones : zone => number }
  nat_zones = var.nat_per_zone ? local.zones : { (var.zones[0]) = 0 }
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# The group that is used where none is named: it lets nothing through, so that a forgotten one shows at once.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-default-closed" }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_subnet" "public" {
  for_each = local.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 8, 224 + each.value)

  tags = {
    Name                     = "${var.name}-public-${each.key}"
    "kubernetes.io/role/elb" = "1"
  }
}

resource "aws_subnet" "private" {
  for_each = local.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 4, each.value)

  tags = {
    Name                              = "${var.name}-private-${each.key}"
    "kubernetes.io/role/internal-elb" = "1"
  }
}

resource "aws_subnet" "data" {
  for_each = local.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 8, 240 + each.value)

  tags = { Name = "${var.name}-data-${each.key}" }
}

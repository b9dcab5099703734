output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "For nodes, pods and internal load balancers."
  value       = [for subnet in aws_subnet.private : subnet.id]
}

output "private_subnet_cidrs" {
  description = "The load balancer's addresses are in these: caudal's viewer.trusted_peers."
  value       = [for subnet in aws_subnet.private : subnet.cidr_block]
}

output "data_subnet_ids" {
  description = "For databases and Redis."
  value       = [for subnet in aws_subnet.data : subnet.id]
}

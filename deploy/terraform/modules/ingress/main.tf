# The load balancer between CloudFront and caudal's pods. It is internal: CloudFront reaches it through a VPC origin.
#
# It belongs to Terraform, not to a controller in the cluster, so that CloudFront can name it before the first pod runs.
# A TargetGroupBinding of the AWS Load Balancer Controller puts the pods into its target group.

data "aws_ec2_managed_prefix_list" "cloudfront" {
  name = "com.amazonaws.global.cloudfront.origin-facing"
}

locals {
  port      = var.certificate_arn == null ? 80 : 443
  pod_ports = { viewers = var.viewer_port, health = var.health.port }
}

resource "aws_security_group" "this" {
  name        = "${var.name}-ingress"
  description = "From CloudFront to the pods"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-ingress" }
}

resource "aws_vpc_security_group_ingress_rule" "cloudfront" {
  security_group_id = aws_security_group.this.id
  description       = "CloudFront, and nobody else"
  prefix_list_id    = data.aws_ec2_managed_prefix_list.cloudfront.id
  ip_protocol       = "tcp"
  from_port         = local.port
  to_port           = local.port
}

resource "aws_vpc_security_group_egress_rule" "pods" {
  for_each = local.pod_ports

  security_group_id            = aws_security_group.this.id
  description                  = "To the pods: ${each.key}"
  referenced_security_group_id = var.pod_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_vpc_security_group_ingress_rule" "pods" {
  for_each = local.pod_ports

  security_group_id            = var.pod_security_group_id
  description                  = "From the load balancer: ${each.key}"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_150:deletion protection is on unless the caller tears down

  name                       = var.name
  internal                   = true
  load_balancer_type         = "application"
  subnets                    = var.subnet_ids
  security_groups            = [aws_security_group.this.id]
  enable_deletion_protection = var.deletion_protection
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "strictest"
  # Above CloudFront's keep-alive of 60 s and below caudal's idle_timeout of 125 s: whoever closes first loses requests.
  idle_timeout = 120

  access_logs {
    bucket  = var.log_bucket
    prefix  = "alb"
    enabled = true
  }
}

resource "aws_lb_target_group" "this" {
  name        = var.name
  vpc_id      = var.vpc_id
  target_type = "ip"
  protocol    = "HTTP"
  port        = local.pod_ports.viewers
  # As long as answers under way may take: caudal's server.drain_timeout, and some.
  deregistration_delay = var.deregistration_delay
  # A pod that is slow has more under way already.
  load_balancing_algorithm_type = "least_outstanding_requests"

  # caudal's readiness says 503 from SIGTERM on, and while storage refuses our credentials.
  health_check {
    protocol            = "HTTP"
    port                = var.health.port
    path                = var.health.path
    matcher             = "200"
    interval            = 5
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  port              = local.port
  protocol          = var.certificate_arn == null ? "HTTP" : "HTTPS"
  certificate_arn   = var.certificate_arn
  ssl_policy        = var.certificate_arn == null ? null : "ELBSecurityPolicy-TLS13-1-2-2021-06"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

output "load_balancer_arn" {
  description = "For CloudFront's VPC origin."
  value       = aws_lb.this.arn

  # CloudFront asks for a listener when it makes the origin.
  depends_on = [aws_lb_listener.this]
}

output "dns_name" {
  description = "The load balancer's name in DNS."
  value       = aws_lb.this.dns_name
}

output "target_group_arn" {
  description = "For the TargetGroupBinding that puts pods into it."
  value       = aws_lb_target_group.this.arn
}

output "metric_dimensions" {
  description = "How CloudWatch names the load balancer and its target group."
  value = {
    LoadBalancer = aws_lb.this.arn_suffix
    TargetGroup  = aws_lb_target_group.this.arn_suffix
  }
}

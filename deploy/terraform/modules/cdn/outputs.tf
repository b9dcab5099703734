output "distribution_id" {
  description = "The distribution's id: for alarms and invalidations."
  value       = aws_cloudfront_distribution.this.id
}

output "domain_name" {
  description = "CloudFront's own name for the distribution."
  value       = aws_cloudfront_distribution.this.domain_name
}

output "function_name" {
  description = "The edge function's name, for its alarms; null where no tokens are asked for."
  value       = one(aws_cloudfront_function.viewer_request[*].name)
}

output "web_acl_name" {
  description = "The WAF's name, for its dashboard."
  value       = aws_wafv2_web_acl.this.name
}

output "log_bucket" {
  description = "The bucket of the request log."
  value       = module.logs.name
}

output "signed_url_key_ids" {
  description = "What signers write as Key-Pair-Id, by the keys' names."
  value       = { for name, key in aws_cloudfront_public_key.viewers : name => key.id }
}

output "key_arn" {
  description = "The key in us-east-1, for the topic of the edge's alarms."
  value       = module.key.arn
}

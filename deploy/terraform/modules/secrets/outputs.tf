output "origin_lock" {
  description = "The value that CloudFront sends."
  value       = module.origin_lock[var.origin_lock_active].value
  sensitive   = true
}

output "viewer_keys" {
  description = "Key id to secret, for the edge's key store."
  value       = { for id, secret in module.viewer_key : id => secret.value }
  sensitive   = true
}

output "names" {
  description = "The secrets' names: the lock's for ExternalSecrets, the keys' for those who sign tokens."
  value = {
    origin_lock = { for slot, secret in module.origin_lock : slot => secret.name }
    viewer_keys = { for id, secret in module.viewer_key : id => secret.name }
  }
}

output "read_policy" {
  description = "What reads the origin lock and nothing else, as a policy in JSON."
  value       = data.aws_iam_policy_document.read.json
}

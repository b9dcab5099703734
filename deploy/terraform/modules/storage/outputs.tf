output "media_bucket" {
  description = "The bucket of titles: caudal's storage.media.bucket."
  value       = module.media.name
}

output "media_bucket_arn" {
  description = "For the policies of whoever writes titles."
  value       = module.media.arn
}

output "media_key_arn" {
  description = "The key of the media bucket, for the same policies."
  value       = module.media_key.arn
}

output "read_policy" {
  description = "What caudal may do, as a policy in JSON."
  value       = data.aws_iam_policy_document.read.json
}

output "copy_bucket" {
  description = "The copy in the other region."
  value       = module.copy.name
}

output "log_bucket" {
  description = "The bucket of access logs."
  value       = module.logs.name

  # A load balancer tries to write as soon as it is told to; the policy that lets it has to be there.
  depends_on = [module.logs]
}

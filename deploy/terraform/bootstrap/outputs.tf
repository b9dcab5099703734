# terraform output -raw backend > ../examples/complete/backend.hcl
output "backend" {
  description = "The configuration of the state's backend."
  value       = <<-EOT
    bucket       = "${module.state.name}"
    key          = "complete.tfstate"
    region       = "${var.region}"
    encrypt      = true
    kms_key_id   = "${module.key.arn}"
    use_lockfile = true
  EOT
}

output "pipeline_roles" {
  description = "The roles for the repository's variables: plan, and deploy and release for their environments."
  value       = { for kind, role in aws_iam_role.pipeline : kind => role.arn }
}

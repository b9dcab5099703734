# What has to be there before the rest: the bucket of Terraform's state, and the roles by which the pipeline enters without
# a key of its own. Applied once, by hand, by an administrator; its own state then moves into the bucket.

data "aws_caller_identity" "current" {}

locals {
  bucket = "${var.name}-terraform-${data.aws_caller_identity.current.account_id}"
}

module "key" {
  source = "../modules/key"

  name        = "${var.name}-terraform"
  description = "Encrypts the Terraform state of ${var.name}, which holds secrets"
}

# Every version is kept for a year: a state that was lost or broken can be brought back.
module "state" {
  source = "../modules/bucket"

  name            = local.bucket
  kms_key         = { arn = module.key.arn }
  noncurrent_days = 365
}

# Where titles are: a bucket that only caudal reads, its copy in another region, and the bucket of access logs.
#
# CloudFront never reads the media bucket. It asks caudal, and caudal asks S3 once however many viewers ask.

data "aws_caller_identity" "current" {}

locals {
  # Names of buckets are one namespace for all of AWS; the account's number makes ours ours.
  bucket = { for kind in ["logs", "media", "media-copy"] : kind => "${var.name}-${kind}-${data.aws_caller_identity.current.account_id}" }
}

module "media_key" {
  source = "../key"

  name        = "${var.name}-media"
  description = "Encrypts the titles of ${var.name}"
}

module "media" {
  source = "../bucket"

  name            = local.bucket["media"]
  kms_key         = { arn = module.media_key.arn }
  log_bucket      = { name = module.logs.name }
  noncurrent_days = var.noncurrent_days
  force_destroy   = var.force_destroy

  # Never titles/: an object in Glacier cannot be read before it is restored, and caudal answers 403 for it. What is to
  # rest is moved to archive/, or given the tag archive=true once nobody is to watch it.
  lifecycle_rules = {
    archive-prefix = { prefix = "archive/", archive_after = var.archive_after_days, archive_class = var.archive_class }
    archive-tag = {
      tag           = { key = "archive", value = "true" }
      archive_after = var.archive_after_days
      archive_class = var.archive_class
    }
  }
}

# What caudal may do: read, and list, for S3 tells who may not list that an absent object is forbidden. Readiness asks for
# .caudal-probe, which is not there: who may not read it is told 403, and no pod becomes ready.
data "aws_iam_policy_document" "read" {
  statement {
    sid       = "ReadTitles"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${module.media.arn}/titles/*", "${module.media.arn}/.caudal-probe"]
  }

  statement {
    sid       = "TellAbsentFromForbidden"
    actions   = ["s3:ListBucket"]
    resources = [module.media.arn]
  }

  statement {
    sid       = "DecryptTitles"
    actions   = ["kms:Decrypt"]
    resources = [module.media_key.arn]
  }
}

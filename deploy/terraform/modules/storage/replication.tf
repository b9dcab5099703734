# The copy, to be served from when the region is in trouble: a caudal there, or this one with another bucket and region in
# its configuration. New objects are there within minutes; those that were there before replication was on are not copied.

module "copy_key" {
  source    = "../key"
  providers = { aws = aws.replica }

  name        = "${var.name}-media-copy"
  description = "Encrypts the copy of the titles of ${var.name}"
}

module "copy" {
  source    = "../bucket"
  providers = { aws = aws.replica }

  name            = local.bucket["media-copy"]
  kms_key         = { arn = module.copy_key.arn }
  noncurrent_days = var.noncurrent_days
  force_destroy   = var.force_destroy

  # What is archived here need not lie there at full price: the same rules.
  lifecycle_rules = {
    archive-prefix = { prefix = "archive/", archive_after = var.archive_after_days, archive_class = var.archive_class }
  }
}

data "aws_iam_policy_document" "replication_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_iam_policy_document" "replication" {
  statement {
    actions   = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
    resources = [module.media.arn]
  }

  statement {
    actions   = ["s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionTagging"]
    resources = ["${module.media.arn}/*"]
  }

  statement {
    actions   = ["s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"]
    resources = ["${module.copy.arn}/*"]
  }

  statement {
    actions   = ["kms:Decrypt"]
    resources = [module.media_key.arn]
  }

  statement {
    actions   = ["kms:Encrypt", "kms:GenerateDataKey"]
    resources = [module.copy_key.arn]
  }
}

resource "aws_iam_role" "replication" {
  name               = "${var.name}-media-replication"
  assume_role_policy = data.aws_iam_policy_document.replication_trust.json
}

resource "aws_iam_role_policy" "replication" {
  name   = "replicate"
  role   = aws_iam_role.replication.id
  policy = data.aws_iam_policy_document.replication.json
}

resource "aws_s3_bucket_replication_configuration" "media" {
  bucket = module.media.name
  role   = aws_iam_role.replication.arn

  rule {
    id     = "all"
    status = "Enabled"

    filter {}

    # A title that is taken down is taken down there as well. Its versions stay for noncurrent_days in both.
    delete_marker_replication {
      status = "Enabled"
    }

    source_selection_criteria {
      sse_kms_encrypted_objects {
        status = "Enabled"
      }
    }

    destination {
      bucket        = module.copy.arn
      storage_class = "STANDARD_IA"

      encryption_configuration {
        replica_kms_key_id = module.copy_key.arn
      }
    }
  }

  # It needs versioning on both sides, which is no part of the buckets' names.
  depends_on = [module.media, module.copy]
}

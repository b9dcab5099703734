# A private bucket: encrypted, versioned, closed to the public and to plain HTTP. Every bucket here is one of these.

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_144:the titles are copied to another region (modules/storage); logs, uploads and the copy itself are not
  #checkov:skip=CKV2_AWS_62:uploads tell a queue (modules/transcode); nobody waits for events of the others

  bucket        = var.name
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# No access lists at all: policies alone decide.
resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    # With a bucket key S3 asks KMS once in a while, not for every object: a hundredth of the requests.
    bucket_key_enabled = var.kms_key != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key == null ? null : var.kms_key.arn
    }
  }
}

resource "aws_s3_bucket_logging" "this" {
  count = var.log_bucket == null ? 0 : 1

  bucket        = aws_s3_bucket.this.id
  target_bucket = var.log_bucket.name
  target_prefix = "s3/${var.name}/"
}

data "aws_iam_policy_document" "this" {
  source_policy_documents = var.policies

  statement {
    sid       = "OnlyTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = data.aws_iam_policy_document.this.json

  # S3 refuses two changes of a bucket's access at once.
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "tidy"
    status = "Enabled"

    filter {}

    # Parts of uploads that were never finished are billed and show nowhere.
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days
    }
  }

  dynamic "rule" {
    for_each = var.lifecycle_rules

    content {
      id     = rule.key
      status = "Enabled"

      filter {
        prefix = rule.value.tag == null ? rule.value.prefix : null

        dynamic "tag" {
          for_each = rule.value.tag == null ? [] : [rule.value.tag]

          content {
            key   = tag.value.key
            value = tag.value.value
          }
        }
      }

      dynamic "transition" {
        for_each = rule.value.archive_after == null ? [] : [rule.value.archive_after]

        content {
          days          = transition.value
          storage_class = rule.value.archive_class
        }
      }

      dynamic "expiration" {
        for_each = rule.value.expire_after == null ? [] : [rule.value.expire_after]

        content {
          days = expiration.value
        }
      }
    }
  }

  # Rules for versions need versioning to be on.
  depends_on = [aws_s3_bucket_versioning.this]
}

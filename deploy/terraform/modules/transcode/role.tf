# What the function may do: read uploads, write titles, and nothing else.

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = "${var.name}-transcode"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "ReadUploads"
    actions   = ["s3:GetObject"]
    resources = ["${module.uploads.arn}/uploads/*"]
  }

  # It reads what it wrote as well: a title that is there already is not made twice.
  statement {
    sid       = "WriteTitles"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = ["${var.media_bucket_arn}/titles/*"]
  }

  # Who may not list is told that an absent object is forbidden.
  statement {
    sid       = "TellAbsentFromForbidden"
    actions   = ["s3:ListBucket"]
    resources = [module.uploads.arn, var.media_bucket_arn]
  }

  statement {
    sid       = "Encrypt"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn, var.media_key_arn]
  }

  statement {
    sid       = "TakeFromQueue"
    actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [aws_sqs_queue.uploads.arn]
  }

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  # X-Ray knows no resources.
  statement {
    sid       = "Trace"
    actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "transcode"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}

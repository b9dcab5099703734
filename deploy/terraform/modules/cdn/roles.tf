# The two roles of the request log: CloudFront's, that writes into the stream, and Firehose's, that reads from it.

data "aws_iam_policy_document" "trust" {
  for_each = toset(["cloudfront", "firehose"])

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_iam_policy_document" "writer" {
  statement {
    actions   = ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:PutRecord", "kinesis:PutRecords"]
    resources = [aws_kinesis_stream.requests.arn]
  }

  statement {
    actions   = ["kms:GenerateDataKey"]
    resources = [module.key.arn]
  }
}

resource "aws_iam_role" "writer" {
  name               = "${var.name}-requests-writer"
  assume_role_policy = data.aws_iam_policy_document.trust["cloudfront"].json
}

resource "aws_iam_role_policy" "writer" {
  name   = "write"
  role   = aws_iam_role.writer.id
  policy = data.aws_iam_policy_document.writer.json
}

data "aws_iam_policy_document" "reader" {
  statement {
    actions   = ["kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
    resources = [aws_kinesis_stream.requests.arn]
  }

  statement {
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = ["${module.logs.arn}/*"]
  }

  statement {
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [module.logs.arn]
  }

  statement {
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.key.arn]
  }

  statement {
    actions   = ["logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.delivery.arn}:log-stream:*"]
  }
}

resource "aws_iam_role" "reader" {
  name               = "${var.name}-requests-reader"
  assume_role_policy = data.aws_iam_policy_document.trust["firehose"].json
}

resource "aws_iam_role_policy" "reader" {
  name   = "deliver"
  role   = aws_iam_role.reader.id
  policy = data.aws_iam_policy_document.reader.json
}

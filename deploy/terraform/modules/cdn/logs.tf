# A line for every request, within seconds, with what the player says of itself (CMCD): CloudFront to Kinesis, Firehose to S3.
#
# Lines are tab-separated and have the fields in CloudFront's own order, whatever the order here. Left out are the query,
# cookies and headers as a whole: they hold tokens. A token before the path may stand in cs-uri-stem, so whoever may read
# this bucket may watch until the token ends.

locals {
  log_fields = [
    "timestamp",
    "c-ip",
    "time-to-first-byte",
    "sc-status",
    "sc-bytes",
    "cs-method",
    "cs-host",
    "cs-uri-stem",
    "x-edge-location",
    "x-edge-request-id",
    "time-taken",
    "cs-protocol-version",
    "cs-user-agent",
    "x-edge-result-type",
    "x-edge-detailed-result-type",
    "sc-content-type",
    "sc-range-start",
    "sc-range-end",
    "c-country",
    "cache-behavior-path-pattern",
    "origin-fbl",
    "origin-lbl",
    "asn",
    "cmcd-encoded-bitrate",
    "cmcd-buffer-length",
    "cmcd-buffer-starvation",
    "cmcd-content-id",
    "cmcd-object-duration",
    "cmcd-deadline",
    "cmcd-measured-throughput",
    "cmcd-object-type",
    "cmcd-playback-rate",
    "cmcd-requested-maximum-throughput",
    "cmcd-streaming-format",
    "cmcd-session-id",
    "cmcd-stream-type",
    "cmcd-startup",
    "cmcd-top-bitrate",
    "cmcd-version",
  ]
}

data "aws_caller_identity" "current" {}

module "key" {
  source    = "../key"
  providers = { aws = aws.us_east_1 }

  name        = "${var.name}-cdn"
  description = "Encrypts what CloudFront and its WAF write down"
  services    = ["cloudwatch.amazonaws.com"]
}

module "logs" {
  source    = "../bucket"
  providers = { aws = aws.us_east_1 }

  name            = "${var.name}-cdn-logs-${data.aws_caller_identity.current.account_id}"
  kms_key         = { arn = module.key.arn }
  noncurrent_days = 1
  force_destroy   = var.force_destroy
  lifecycle_rules = { expire = { expire_after = var.log_retention_days } }
}

resource "aws_kinesis_stream" "requests" {
  provider = aws.us_east_1

  name             = "${var.name}-requests"
  retention_period = 24
  encryption_type  = "KMS"
  kms_key_id       = module.key.arn

  # Grows with the viewers: a premiere needs no shards to be counted first.
  stream_mode_details {
    stream_mode = "ON_DEMAND"
  }
}

resource "aws_cloudfront_realtime_log_config" "this" {
  name          = var.name
  sampling_rate = var.log_sampling
  fields        = local.log_fields

  endpoint {
    stream_type = "Kinesis"

    kinesis_stream_config {
      role_arn   = aws_iam_role.writer.arn
      stream_arn = aws_kinesis_stream.requests.arn
    }
  }

  depends_on = [aws_iam_role_policy.writer]
}

resource "aws_kinesis_firehose_delivery_stream" "requests" {
  provider = aws.us_east_1

  name        = "${var.name}-requests"
  destination = "extended_s3"

  kinesis_source_configuration {
    kinesis_stream_arn = aws_kinesis_stream.requests.arn
    role_arn           = aws_iam_role.reader.arn
  }

  extended_s3_configuration {
    role_arn            = aws_iam_role.reader.arn
    bucket_arn          = module.logs.arn
    kms_key_arn         = module.key.arn
    prefix              = "requests/!{timestamp:yyyy/MM/dd/HH}/"
    error_output_prefix = "failed/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/"
    compression_format  = "GZIP"
    # Megabytes, seconds: whichever is first.
    buffering_size     = 64
    buffering_interval = 300

    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.delivery.name
      log_stream_name = aws_cloudwatch_log_stream.delivery.name
    }
  }

  depends_on = [aws_iam_role_policy.reader]
}

resource "aws_cloudwatch_log_group" "delivery" {
  provider = aws.us_east_1

  name              = "/${var.name}/requests-delivery"
  retention_in_days = var.log_retention_days
  kms_key_id        = module.key.arn
}

resource "aws_cloudwatch_log_stream" "delivery" {
  provider = aws.us_east_1

  name           = "s3"
  log_group_name = aws_cloudwatch_log_group.delivery.name
}

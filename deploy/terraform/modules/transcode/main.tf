# Makes titles of uploads: S3 tells a queue of each, a function takes them from there and writes titles/NAME/ into the media
# bucket. What fails three times waits in the dead-letter queue for somebody to look.
#
#   uploads/NAME.mp4 -> queue -> function -> media bucket, titles/NAME/
#                         \-> dead letters

data "aws_caller_identity" "current" {}

module "uploads" {
  source = "../bucket"

  name          = "${var.name}-uploads-${data.aws_caller_identity.current.account_id}"
  kms_key       = { arn = var.kms_key_arn }
  log_bucket    = { name = var.log_bucket }
  force_destroy = var.force_destroy

  # What was uploaded is kept as long as it may have to be packaged again.
  lifecycle_rules = { expire = { prefix = "uploads/", expire_after = var.keep_uploads_days } }
}

resource "aws_s3_bucket_notification" "uploads" {
  bucket = module.uploads.name

  queue {
    id            = "uploads"
    queue_arn     = aws_sqs_queue.uploads.arn
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = "uploads/"
  }

  # S3 sends a message to try it.
  depends_on = [aws_sqs_queue_policy.uploads]
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_115:the queue takes no more at a time than scaling_config says; to reserve as many is refused where an account has few
  #checkov:skip=CKV_AWS_116:what fails goes back to the queue it came from, and from there to the dead letters (queue.tf)
  #checkov:skip=CKV_AWS_117:it talks to S3 alone and listens to nobody; in the VPC it would need a way out and gain none of its own
  #checkov:skip=CKV_AWS_272:Lambda verifies signatures of zip files, not of images; the registry's tags are immutable instead

  function_name = "${var.name}-transcode"
  description   = "Packages uploads into CMAF for HLS and DASH, with thumbnails"
  role          = aws_iam_role.this.arn
  package_type  = "Image"
  image_uri     = var.image_uri
  architectures = [var.architecture]

  # Lambda's most of everything: six processors come with 10,240 MB, and an upload and its renditions lie on the disk.
  memory_size = var.memory_size
  timeout     = 900

  ephemeral_storage {
    size = 10240
  }

  environment {
    variables = {
      MEDIA_BUCKET = var.media_bucket
      MAX_SECONDS  = tostring(var.max_seconds)
      MAX_HEIGHT   = tostring(var.max_height)
    }
  }

  kms_key_arn = var.kms_key_arn

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  tracing_config {
    mode = "Active"
  }

  depends_on = [aws_iam_role_policy.this]
}

resource "aws_lambda_event_source_mapping" "uploads" {
  function_name    = aws_lambda_function.this.arn
  event_source_arn = aws_sqs_queue.uploads.arn
  # An upload takes minutes: one at a time, so that none waits behind another.
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]

  # Bounds what a thousand uploads at once may cost.
  scaling_config {
    maximum_concurrency = var.concurrency
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}-transcode"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

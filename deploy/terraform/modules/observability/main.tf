# Who is told when something is wrong: a topic in each of the two regions, and the log groups of what runs in the cluster.
# CloudFront tells of itself in us-east-1 alone, and an alarm reaches topics of its own region alone. Alarms are in alarms.tf
# and edge-alarms.tf, the picture of it all in dashboard.tf.

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "AlarmsOfThisAccount"
    actions   = ["sns:Publish"]
    resources = ["arn:aws:sns:*:${data.aws_caller_identity.current.account_id}:${var.name}-alarms"]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.topic.json
}

resource "aws_sns_topic_subscription" "alarms" {
  for_each = var.emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_sns_topic" "edge" {
  provider = aws.us_east_1

  name              = "${var.name}-alarms"
  kms_master_key_id = var.edge_key_arn
}

resource "aws_sns_topic_policy" "edge" {
  provider = aws.us_east_1

  arn    = aws_sns_topic.edge.arn
  policy = data.aws_iam_policy_document.topic.json
}

resource "aws_sns_topic_subscription" "edge" {
  provider = aws.us_east_1
  for_each = var.emails

  topic_arn = aws_sns_topic.edge.arn
  protocol  = "email"
  endpoint  = each.key
}

# What an agent in the cluster writes to: caudal's access log, and its metrics, which CloudWatch makes of log lines.
resource "aws_cloudwatch_log_group" "cluster" {
  for_each = toset(["access", "metrics"])

  name              = "/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

data "aws_iam_policy_document" "agent" {
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = [for group in aws_cloudwatch_log_group.cluster : "${group.arn}:*"]
  }
}

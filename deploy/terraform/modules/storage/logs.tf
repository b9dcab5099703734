# One bucket for the access logs of S3 and of the load balancer. Both are delivered by services that cannot encrypt with a
# key of ours, so it has S3's own.

module "logs" {
  source = "../bucket"

  name            = local.bucket["logs"]
  policies        = [data.aws_iam_policy_document.logs.json]
  noncurrent_days = 1
  force_destroy   = var.force_destroy
  lifecycle_rules = { expire = { expire_after = var.log_retention_days } }
}

data "aws_iam_policy_document" "logs" {
  statement {
    sid       = "S3AccessLogs"
    actions   = ["s3:PutObject"]
    resources = ["arn:aws:s3:::${local.bucket["logs"]}/s3/*"]

    principals {
      type        = "Service"
      identifiers = ["logging.s3.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }

  statement {
    sid       = "LoadBalancerLogs"
    actions   = ["s3:PutObject"]
    resources = ["arn:aws:s3:::${local.bucket["logs"]}/alb/AWSLogs/${data.aws_caller_identity.current.account_id}/*"]

    principals {
      type        = "Service"
      identifiers = ["logdelivery.elasticloadbalancing.amazonaws.com"]
    }
  }
}

# Alarms of the edge, which CloudFront rings in us-east-1: what viewers get, wherever it comes from.

locals {
  distribution = { DistributionId = var.distribution_id, Region = "Global" }

  distribution_alarms = {
    edge-errors = {
      about      = "more than one in a hundred viewers' requests ends in an error of ours"
      metric     = "5xxErrorRate", statistic = "Average"
      compare    = "GreaterThanThreshold", threshold = 1, minutes = 5, enough = 3
      dimensions = tomap(local.distribution)
    }
    edge-refusals = {
      about      = "a quarter of all requests is refused or asks for what is not there: a key, a token or a playlist is wrong"
      metric     = "4xxErrorRate", statistic = "Average"
      compare    = "GreaterThanThreshold", threshold = 25, minutes = 15, enough = 10
      dimensions = tomap(local.distribution)
    }
    edge-misses = {
      about      = "the edge has had less than it should for half an hour: caudal serves what CloudFront is paid for"
      metric     = "CacheHitRate", statistic = "Average"
      compare    = "LessThanThreshold", threshold = var.least_hit_ratio, minutes = 30, enough = 30
      dimensions = tomap(local.distribution)
    }
    edge-slow-origin = {
      about      = "one in ten misses takes the origin more than a second"
      metric     = "OriginLatency", statistic = "p90"
      compare    = "GreaterThanThreshold", threshold = 1000, minutes = 15, enough = 10
      dimensions = tomap(local.distribution)
    }
  }

  function_alarms = var.function_name == null ? {} : {
    edge-function-errors = {
      about      = "the edge function fails: those viewers are refused"
      metric     = "FunctionExecutionErrors", statistic = "Sum"
      compare    = "GreaterThanThreshold", threshold = 0, minutes = 5, enough = 3
      dimensions = tomap({ FunctionName = var.function_name, Region = "Global" })
    }
    edge-function-limit = {
      about      = "the edge function comes near the time it may take, past which CloudFront ends it"
      metric     = "FunctionComputeUtilization", statistic = "Maximum"
      compare    = "GreaterThanThreshold", threshold = 80, minutes = 15, enough = 3
      dimensions = tomap({ FunctionName = var.function_name, Region = "Global" })
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "edge" {
  provider = aws.us_east_1
  for_each = merge(local.distribution_alarms, local.function_alarms)

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = each.value.about
  namespace         = "AWS/CloudFront"
  metric_name       = each.value.metric
  dimensions        = each.value.dimensions

  statistic          = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic = startswith(each.value.statistic, "p") ? each.value.statistic : null

  comparison_operator = each.value.compare
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.minutes
  datapoints_to_alarm = each.value.enough
  # No viewer, no figure, nothing wrong.
  treat_missing_data = "notBreaching"

  alarm_actions = [aws_sns_topic.edge.arn]
  ok_actions    = [aws_sns_topic.edge.arn]
}

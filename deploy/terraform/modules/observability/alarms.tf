# Alarms of the region: the load balancer, uploads, the database, Redis. Each says what it means for viewers.

locals {
  origin_alarms = {
    origin-none = {
      about      = "no pod of caudal is ready: what is not at the edge does not play"
      namespace  = "AWS/ApplicationELB", metric = "HealthyHostCount", statistic = "Minimum"
      compare    = "LessThanThreshold", threshold = 1, minutes = 2, missing = "breaching"
      dimensions = tomap(var.load_balancer)
    }
    origin-unhealthy = {
      about      = "a pod of caudal has not been ready for ten minutes"
      namespace  = "AWS/ApplicationELB", metric = "UnHealthyHostCount", statistic = "Minimum"
      compare    = "GreaterThanThreshold", threshold = 0, minutes = 10, missing = "notBreaching"
      dimensions = tomap(var.load_balancer)
    }
    origin-slow = {
      about      = "one in a hundred answers takes caudal more than two seconds to begin: films start late"
      namespace  = "AWS/ApplicationELB", metric = "TargetResponseTime", statistic = "p99"
      compare    = "GreaterThanThreshold", threshold = 2, minutes = 5, missing = "notBreaching"
      dimensions = tomap(var.load_balancer)
    }
  }

  transcode_alarms = var.transcode == null ? {} : {
    uploads-dead = {
      about      = "an upload failed three times and waits in the dead-letter queue"
      namespace  = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", statistic = "Maximum"
      compare    = "GreaterThanThreshold", threshold = 0, minutes = 1, missing = "notBreaching"
      dimensions = tomap({ QueueName = var.transcode.dead_letter_queue })
    }
    uploads-refused = {
      about      = "an upload is nothing that can be made a title of; the function's log says why"
      namespace  = "Caudal/Transcode", metric = "Uploads", statistic = "Sum"
      compare    = "GreaterThanThreshold", threshold = 0, minutes = 1, missing = "notBreaching"
      dimensions = tomap({ outcome = "refused" })
    }
    # The function gives what failed back to the queue, and ends well itself: Lambda counts no error of it.
    uploads-failing = {
      about      = "an upload could not be made a title, and is tried again; the function's log says why"
      namespace  = "Caudal/Transcode", metric = "Uploads", statistic = "Sum"
      compare    = "GreaterThanThreshold", threshold = 0, minutes = 1, missing = "notBreaching"
      dimensions = tomap({ outcome = "failed" })
    }
    # Whom Lambda ends says nothing any more.
    uploads-cut = {
      about      = "the function that makes titles was ended, for want of time or memory, or did not start"
      namespace  = "AWS/Lambda", metric = "Errors", statistic = "Sum"
      compare    = "GreaterThanThreshold", threshold = 0, minutes = 1, missing = "notBreaching"
      dimensions = tomap({ FunctionName = var.transcode.function_name })
    }
  }

  database_alarms = var.database == null ? {} : {
    database-busy = {
      about      = "the database has had no processor to spare for a quarter of an hour"
      namespace  = "AWS/RDS", metric = "CPUUtilization", statistic = "Average"
      compare    = "GreaterThanThreshold", threshold = 80, minutes = 15, missing = "breaching"
      dimensions = tomap({ DBInstanceIdentifier = var.database })
    }
    database-full = {
      about      = "the database has less than 2 GiB of disk left, and has grown as far as it may"
      namespace  = "AWS/RDS", metric = "FreeStorageSpace", statistic = "Minimum"
      compare    = "LessThanThreshold", threshold = 2147483648, minutes = 5, missing = "breaching"
      dimensions = tomap({ DBInstanceIdentifier = var.database })
    }
  }

  session_alarms = merge([
    for node in var.session_nodes : {
      "sessions-full-${node}" = {
        about      = "Redis is nearly full: sessions that were silent longest are dropped"
        namespace  = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", statistic = "Maximum"
        compare    = "GreaterThanThreshold", threshold = 80, minutes = 5, missing = "breaching"
        dimensions = tomap({ CacheClusterId = node })
      }
    }
  ]...)

  # What caudal says of itself, by the CloudWatch agent (deploy/monitoring/cloudwatch). Without the agent there are no figures,
  # and these stay silent.
  caudal_alarms = {
    storage-lost = {
      about      = "caudal cannot read the bucket: what is neither at the edge nor in memory does not play"
      namespace  = "Caudal", metric = "caudal_storage_ready", statistic = "Minimum"
      compare    = "LessThanThreshold", threshold = 1, minutes = 3, missing = "notBreaching"
      dimensions = tomap({ job = "caudal", storage = "media" })
    }
    log-lost = {
      about      = "caudal drops lines of its access log: whoever takes them is too slow"
      namespace  = "Caudal", metric = "caudal_access_log_dropped_total", statistic = "Sum"
      compare    = "GreaterThanThreshold", threshold = 0, minutes = 5, missing = "notBreaching"
      dimensions = tomap({ job = "caudal" })
    }
  }

  alarms = merge(local.caudal_alarms, local.origin_alarms, local.transcode_alarms, local.database_alarms, local.session_alarms)
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = each.value.about
  namespace         = each.value.namespace
  metric_name       = each.value.metric
  dimensions        = each.value.dimensions

  # Percentiles have an argument of their own.
  statistic          = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic = startswith(each.value.statistic, "p") ? each.value.statistic : null

  comparison_operator = each.value.compare
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.minutes
  treat_missing_data  = each.value.missing

  alarm_actions = [aws_sns_topic.alarms.arn]
  ok_actions    = [aws_sns_topic.alarms.arn]
}

# A share of all answers, as a share is what viewers see: ten errors are nothing at a premiere and everything at night.
resource "aws_cloudwatch_metric_alarm" "origin_errors" {
  alarm_name          = "${var.name}-origin-errors"
  alarm_description   = "more than one in a hundred answers of caudal is an error of ours or of storage"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 1
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "share"
    expression  = "IF(requests > 0, 100 * FILL(errors, 0) / requests, 0)"
    label       = "errors, percent"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { errors = "HTTPCode_Target_5XX_Count", requests = "RequestCount" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        dimensions  = var.load_balancer
        period      = 60
        stat        = "Sum"
      }
    }
  }
}

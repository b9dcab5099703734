# One page, from the viewer inwards: the edge, its WAF, the load balancer, uploads. What caudal says of itself is in Grafana.

locals {
  region = data.aws_region.current.id
  edge   = ["DistributionId", var.distribution_id, "Region", "Global"]
  origin = ["LoadBalancer", var.load_balancer.LoadBalancer, "TargetGroup", var.load_balancer.TargetGroup]

  # Title, region, statistic, lines; three a row.
  edge_charts = [
    { title = "Requests at the edge", region = "us-east-1", stat = "Sum", lines = [concat(["AWS/CloudFront", "Requests"], local.edge)] },
    { title = "Bytes to viewers", region = "us-east-1", stat = "Sum", lines = [concat(["AWS/CloudFront", "BytesDownloaded"], local.edge)] },
    { title = "Hit ratio, percent", region = "us-east-1", stat = "Average", lines = [concat(["AWS/CloudFront", "CacheHitRate"], local.edge)] },
    {
      title = "Errors at the edge, percent", region = "us-east-1", stat = "Average"
      lines = [for metric in ["4xxErrorRate", "5xxErrorRate"] : concat(["AWS/CloudFront", metric], local.edge)]
    },
    { title = "The origin's latency, p90, ms", region = "us-east-1", stat = "p90", lines = [concat(["AWS/CloudFront", "OriginLatency"], local.edge)] },
    {
      title = "Turned away by the WAF", region = "us-east-1", stat = "Sum"
      lines = [["AWS/WAFV2", "BlockedRequests", "WebACL", var.web_acl_name, "Rule", "ALL"]]
    },
  ]

  origin_charts = [
    { title = "Requests to caudal", region = local.region, stat = "Sum", lines = [concat(["AWS/ApplicationELB", "RequestCount"], local.origin)] },
    { title = "First byte of caudal, p99, s", region = local.region, stat = "p99", lines = [concat(["AWS/ApplicationELB", "TargetResponseTime"], local.origin)] },
    {
      title = "Pods that are ready", region = local.region, stat = "Minimum"
      lines = [concat(["AWS/ApplicationELB", "HealthyHostCount"], local.origin)]
    },
    {
      title = "Answers of caudal", region = local.region, stat = "Sum"
      lines = [for class in ["2XX", "3XX", "4XX", "5XX"] : concat(["AWS/ApplicationELB", "HTTPCode_Target_${class}_Count"], local.origin)]
    },
    {
      title = "Uploads", region = local.region, stat = "Sum"
      lines = [for outcome in ["made", "unchanged", "refused", "failed"] : ["Caudal/Transcode", "Uploads", "outcome", outcome]]
    },
  ]

  charts = concat(local.edge_charts, local.origin_charts)
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [
      for number, chart in local.charts : {
        type   = "metric"
        width  = 8
        height = 6
        x      = number % 3 * 8
        y      = floor(number / 3) * 6
        properties = {
          title   = chart.title
          region  = chart.region
          stat    = chart.stat
          period  = 60
          metrics = chart.lines
        }
      }
    ]
  })
}

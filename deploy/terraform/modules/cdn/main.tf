# CloudFront in front of caudal: the distribution and its way to the load balancer. What requests carry is in policies.tf,
# who may watch in viewers.tf, who is turned away in waf.tf, what is written down in logs.tf.

locals {
  origin_id = "caudal"

  # CloudFront keeps errors for 10 s unless told otherwise; caudal's Cache-Control says longer where longer is right. A title
  # that was just uploaded, or an origin that is back, is not to wait for that.
  error_seconds = { 404 = 5, 500 = 1, 502 = 1, 503 = 1, 504 = 1 }

  # What every behaviour has in common, the default one and those with signed URLs.
  methods = ["GET", "HEAD", "OPTIONS"]
}

resource "aws_cloudfront_vpc_origin" "this" {
  vpc_origin_endpoint_config {
    name                   = var.name
    arn                    = var.origin.load_balancer_arn
    http_port              = 80
    https_port             = 443
    origin_protocol_policy = var.origin.https ? "https-only" : "http-only"

    origin_ssl_protocols {
      items    = ["TLSv1.2"]
      quantity = 1
    }
  }
}

resource "aws_cloudfront_distribution" "this" {
  #checkov:skip=CKV_AWS_86:the real-time log (logs.tf) has every request, within seconds and with CMCD; a second log would say it again
  #checkov:skip=CKV_AWS_305:there is no page at /, only titles; caudal answers 404
  #checkov:skip=CKV2_AWS_47:the WAF has the rule for Log4j (waf.tf); the other list it asks for turns away VPNs, which is for caudal to decide (geo, anonymous)
  #checkov:skip=CKV_AWS_310:the other origin would be a caudal in the other region, which this does not run; S3 alone would let anybody in

  enabled         = true
  comment         = var.name
  is_ipv6_enabled = true
  http_version    = "http2and3"
  price_class     = var.price_class
  aliases         = var.aliases
  web_acl_id      = aws_wafv2_web_acl.this.arn

  origin {
    origin_id           = local.origin_id
    domain_name         = var.origin.domain_name
    connection_attempts = 3
    connection_timeout  = 5

    vpc_origin_config {
      vpc_origin_id = aws_cloudfront_vpc_origin.this.id
      # caudal tries storage three times within 15 s, so 30 s without a byte is an origin that is gone.
      origin_read_timeout      = 30
      origin_keepalive_timeout = 60
    }

    # By this caudal knows that a request comes through this distribution, its WAF and its edge function.
    custom_header {
      name  = var.origin_lock_header
      value = var.origin_lock
    }

    # One more cache, that all edges ask: a title that is new to ten regions is one miss for caudal, not ten.
    dynamic "origin_shield" {
      for_each = var.origin_shield_region == null ? [] : [var.origin_shield_region]

      content {
        enabled              = true
        origin_shield_region = origin_shield.value
      }
    }
  }

  default_cache_behavior {
    target_origin_id           = local.origin_id
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = local.methods
    cached_methods             = local.methods
    compress                   = true
    cache_policy_id            = aws_cloudfront_cache_policy.media.id
    origin_request_policy_id   = aws_cloudfront_origin_request_policy.media.id
    response_headers_policy_id = aws_cloudfront_response_headers_policy.media.id
    realtime_log_config_arn    = aws_cloudfront_realtime_log_config.this.arn

    dynamic "function_association" {
      for_each = aws_cloudfront_function.viewer_request

      content {
        event_type   = "viewer-request"
        function_arn = function_association.value.arn
      }
    }
  }

  # Paths with CloudFront's own signatures instead of tokens. A path in disguise (/%70remium/) is none of these to CloudFront
  # and falls to the default behaviour, which is closed as well.
  dynamic "ordered_cache_behavior" {
    for_each = var.signed_urls.paths

    content {
      path_pattern               = ordered_cache_behavior.value
      target_origin_id           = local.origin_id
      viewer_protocol_policy     = "https-only"
      allowed_methods            = local.methods
      cached_methods             = local.methods
      compress                   = true
      cache_policy_id            = aws_cloudfront_cache_policy.media.id
      origin_request_policy_id   = aws_cloudfront_origin_request_policy.media.id
      response_headers_policy_id = aws_cloudfront_response_headers_policy.media.id
      realtime_log_config_arn    = aws_cloudfront_realtime_log_config.this.arn
      trusted_key_groups         = [for group in aws_cloudfront_key_group.viewers : group.id]
    }
  }

  dynamic "custom_error_response" {
    for_each = local.error_seconds

    content {
      error_code            = custom_error_response.key
      error_caching_min_ttl = custom_error_response.value
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = var.geo.type
      locations        = var.geo.countries
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = var.certificate_arn == null
    acm_certificate_arn            = var.certificate_arn
    ssl_support_method             = var.certificate_arn == null ? null : "sni-only"
    minimum_protocol_version       = var.certificate_arn == null ? "TLSv1" : "TLSv1.2_2021"
  }

  lifecycle {
    precondition {
      condition     = length(var.aliases) == 0 || var.certificate_arn != null
      error_message = "aliases need certificate_arn: a certificate of ACM in us-east-1 that has their names."
    }

    precondition {
      condition     = length(var.signed_urls.paths) == 0 || length(var.signed_urls.public_keys) > 0
      error_message = "signed_urls.paths need signed_urls.public_keys, or nobody could sign for them."
    }
  }
}

# Hit ratio and latency of the origin by the minute; without it CloudFront counts requests and errors alone.
resource "aws_cloudfront_monitoring_subscription" "this" {
  distribution_id = aws_cloudfront_distribution.this.id

  monitoring_subscription {
    realtime_metrics_subscription_config {
      realtime_metrics_subscription_status = "Enabled"
    }
  }
}

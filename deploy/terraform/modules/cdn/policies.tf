# What a cached answer is good for, what caudal is told of the viewer, and what every answer says.

# The path alone names an answer. Range is no part of it: CloudFront asks for ranges, keeps what it got, and answers other
# ranges from that. Tokens are taken off by the edge function, cookies and queries stay outside.
resource "aws_cloudfront_cache_policy" "media" {
  name    = "${var.name}-media"
  comment = "The path, how it is compressed%{if var.vary_by_country}, and the viewer's country%{endif}"

  # caudal says how long, by kind of asset; what says nothing is not kept.
  min_ttl     = 0
  default_ttl = 0
  max_ttl     = 31536000

  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_gzip   = true
    enable_accept_encoding_brotli = true

    cookies_config {
      cookie_behavior = "none"
    }

    query_strings_config {
      query_string_behavior = "none"
    }

    # A decision that caudal makes by country is cached like any other, so then the country names the answer too.
    headers_config {
      header_behavior = var.vary_by_country ? "whitelist" : "none"

      dynamic "headers" {
        for_each = var.vary_by_country ? [["CloudFront-Viewer-Country"]] : []

        content {
          items = headers.value
        }
      }
    }
  }
}

# What caudal is told on a miss, without being asked apart for it. Range always goes along, whatever is listed. Ten headers
# is all that CloudFront takes. The edge function sees the country and the scheme only if they are here.
resource "aws_cloudfront_origin_request_policy" "media" {
  name    = "${var.name}-media"
  comment = "Who watches, from where, and how it goes (CMCD)"

  headers_config {
    header_behavior = "whitelist"

    headers {
      items = [
        "CMCD-Object",
        "CMCD-Request",
        "CMCD-Session",
        "CMCD-Status",
        "CloudFront-Forwarded-Proto",
        "CloudFront-Viewer-ASN",
        "CloudFront-Viewer-Address",
        "CloudFront-Viewer-Country",
        "CloudFront-Viewer-Country-Region",
      ]
    }
  }

  cookies_config {
    cookie_behavior = "none"
  }

  # Players that cannot set headers send the same as ?CMCD=.
  query_strings_config {
    query_string_behavior = "whitelist"

    query_strings {
      items = ["CMCD"]
    }
  }
}

# CORS as caudal has it, for answers that are CloudFront's own as well: a player in a browser sees nothing without it.
resource "aws_cloudfront_response_headers_policy" "media" {
  #checkov:skip=CKV_AWS_259:HSTS is on for a year; subdomains and preload are the domain owner's to promise, and hard to take back

  name    = "${var.name}-media"
  comment = "CORS for players, and HTTPS for good"

  cors_config {
    origin_override = true
    # Browsers send cookies along to a named origin only.
    access_control_allow_credentials = !contains(var.cors_origins, "*")
    access_control_max_age_sec       = 86400

    access_control_allow_origins {
      items = var.cors_origins
    }

    access_control_allow_methods {
      items = local.methods
    }

    access_control_allow_headers {
      items = [
        "Authorization",
        "CMCD-Object",
        "CMCD-Request",
        "CMCD-Session",
        "CMCD-Status",
        "CTA-Common-Access-Token",
        "Range",
      ]
    }

    access_control_expose_headers {
      items = ["Age", "Cache-Status", "Content-Length", "Content-Range", "Date", "ETag", "Server-Timing", "X-Cache"]
    }
  }

  security_headers_config {
    strict_transport_security {
      override                   = true
      access_control_max_age_sec = 31536000
      include_subdomains         = false
    }

    content_type_options {
      override = true
    }
  }

  # Without it a browser hides from a player how long its segments took.
  custom_headers_config {
    items {
      header   = "Timing-Allow-Origin"
      value    = join(", ", var.cors_origins)
      override = true
    }
  }
}

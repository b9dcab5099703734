# Plans modules by themselves, to see what is in them: the edge, buckets, secrets, the load balancer. As in plan.tftest.hcl
# it is the provider that plans, without an account.

provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

provider "aws" {
  alias                       = "us_east_1"
  region                      = "us-east-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

provider "aws" {
  alias                       = "replica"
  region                      = "eu-west-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  # The edge, where nothing else is said.
  name               = "caudal"
  log_retention_days = 30
  origin_lock        = "the-lock"
  viewer_keys        = { k1 = "the-key" }
  function_code      = "function handler(event) { return event.request; }"
  origin = {
    load_balancer_arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/caudal/0123456789abcdef"
    domain_name       = "internal-caudal.eu-central-1.elb.amazonaws.com"
  }
}

run "every_way_in_is_closed_and_the_path_alone_names_an_answer" {
  command = plan

  module {
    source = "../../modules/cdn"
  }

  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }

  override_data {
    target = data.aws_caller_identity.current
    values = { account_id = "123456789012" }
  }

  override_data {
    target = module.key.data.aws_caller_identity.current
    values = { account_id = "123456789012" }
  }

  variables {
    signed_urls = {
      paths       = ["/premium/*"]
      public_keys = { shop = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n" }
    }
  }

  assert {
    condition     = length(aws_cloudfront_distribution.this.default_cache_behavior[0].function_association) == 1
    error_message = "the default behaviour asks for a token"
  }

  assert {
    condition     = length(aws_cloudfront_distribution.this.ordered_cache_behavior) == 1 && length(aws_cloudfront_key_group.viewers) == 1
    error_message = "signed paths have a behaviour and a group of keys"
  }

  assert {
    condition     = nonsensitive(one(one(aws_cloudfront_distribution.this.origin).custom_header).value) == "the-lock"
    error_message = "CloudFront sends the lock"
  }

  assert {
    condition     = nonsensitive(one(aws_cloudfrontkeyvaluestore_keys_exclusive.keys[0].resource_key_value_pair).value) == "base64:dGhlLWtleQ=="
    error_message = "the edge has the key as its function reads it"
  }

  assert {
    condition     = one(aws_cloudfront_distribution.this.origin).vpc_origin_config[0].origin_keepalive_timeout < 120
    error_message = "CloudFront gives connections up before the load balancer (idle_timeout) and caudal do"
  }

  assert {
    condition = alltrue([
      aws_cloudfront_cache_policy.media.parameters_in_cache_key_and_forwarded_to_origin[0].query_strings_config[0].query_string_behavior == "none",
      aws_cloudfront_cache_policy.media.parameters_in_cache_key_and_forwarded_to_origin[0].cookies_config[0].cookie_behavior == "none",
      aws_cloudfront_cache_policy.media.parameters_in_cache_key_and_forwarded_to_origin[0].headers_config[0].header_behavior == "none",
    ])
    error_message = "neither queries nor cookies nor headers make two of one answer"
  }

  assert {
    condition     = length(aws_cloudfront_origin_request_policy.media.headers_config[0].headers[0].items) <= 10
    error_message = "CloudFront takes ten headers"
  }

  assert {
    condition     = !contains(aws_cloudfront_realtime_log_config.this.fields, "cs-uri-query") && !contains(aws_cloudfront_realtime_log_config.this.fields, "cs-cookie")
    error_message = "no token is written down with a query or a cookie"
  }
}

run "open_titles_need_no_function_and_a_country_can_name_answers_too" {
  command = plan

  module {
    source = "../../modules/cdn"
  }

  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }

  override_data {
    target = data.aws_caller_identity.current
    values = { account_id = "123456789012" }
  }

  override_data {
    target = module.key.data.aws_caller_identity.current
    values = { account_id = "123456789012" }
  }

  variables {
    require_tokens  = false
    vary_by_country = true
  }

  assert {
    condition     = length(aws_cloudfront_distribution.this.default_cache_behavior[0].function_association) == 0 && length(aws_cloudfront_function.viewer_request) == 0
    error_message = "no function where no token is asked for"
  }

  assert {
    condition     = contains(aws_cloudfront_cache_policy.media.parameters_in_cache_key_and_forwarded_to_origin[0].headers_config[0].headers[0].items, "CloudFront-Viewer-Country")
    error_message = "the country is in the key"
  }
}

run "a_name_needs_a_certificate" {
  command         = plan
  expect_failures = [aws_cloudfront_distribution.this]

  module {
    source = "../../modules/cdn"
  }

  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }

  override_data {
    target = data.aws_caller_identity.current
    values = { account_id = "123456789012" }
  }

  override_data {
    target = module.key.data.aws_caller_identity.current
    values = { account_id = "123456789012" }
  }

  variables {
    aliases = ["media.example.com"]
  }
}

run "buckets_are_closed_and_archive_what_they_are_told" {
  command = plan

  module {
    source = "../../modules/bucket"
  }

  providers = {
    aws = aws
  }

  variables {
    kms_key = { arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555" }

    lifecycle_rules = {
      prefix = { prefix = "archive/", archive_after = 30 }
      tag    = { tag = { key = "archive", value = "true" }, archive_after = 30 }
    }
  }

  assert {
    condition     = alltrue([for key in ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"] : aws_s3_bucket_public_access_block.this[key]])
    error_message = "all four locks are on"
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms"
    error_message = "a key that is given is used"
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "what is overwritten can be brought back"
  }

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule :
      rule.filter[0].prefix == "archive/" || length(rule.filter[0].tag) == 1 if length(rule.transition) > 0
    ])
    error_message = "what plays is never archived: only the prefix and the tag are"
  }
}

run "both_slots_of_the_lock_and_the_one_that_is_sent" {
  command = plan

  module {
    source = "../../modules/secrets"
  }

  providers = {
    aws = aws
  }

  variables {
    kms_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    origin_lock_active = "b"
  }

  override_data {
    target = module.origin_lock["a"].data.aws_secretsmanager_random_password.value
    values = { random_password = "random-a" }
  }

  override_data {
    target = module.origin_lock["b"].data.aws_secretsmanager_random_password.value
    values = { random_password = "random-b" }
  }

  override_data {
    target = module.viewer_key["k1"].data.aws_secretsmanager_random_password.value
    values = { random_password = "random-k1" }
  }

  assert {
    condition     = nonsensitive(output.origin_lock) == "random-b" && length(output.names.origin_lock) == 2
    error_message = "CloudFront sends the active slot; both are there for caudal"
  }
}

run "the_load_balancer_speaks_tls_where_it_has_a_certificate" {
  command = plan

  module {
    source = "../../modules/ingress"
  }

  providers = {
    aws = aws
  }

  override_data {
    target = data.aws_ec2_managed_prefix_list.cloudfront
    values = { id = "pl-12345678" }
  }

  variables {
    vpc_id                = "vpc-12345678"
    subnet_ids            = ["subnet-11111111", "subnet-22222222"]
    pod_security_group_id = "sg-12345678"
    log_bucket            = "caudal-logs-123456789012"
    certificate_arn       = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = aws_lb_listener.this.protocol == "HTTPS" && aws_lb_listener.this.port == 443 && aws_vpc_security_group_ingress_rule.cloudfront.from_port == 443
    error_message = "one port is open, for TLS, to CloudFront"
  }

  assert {
    condition     = aws_lb.this.internal && aws_lb.this.idle_timeout < 125
    error_message = "it is internal, and closes before caudal's idle_timeout of 125 s"
  }
}

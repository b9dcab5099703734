# Plans the whole example with the provider itself, without an account: credentials that open nothing, and words put into
# the mouths of the few data sources that would ask AWS. What the provider refuses at plan (values, policies, conflicts) it
# refuses here; what only AWS knows (quotas, versions it no longer has) it does not.

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
  account_id      = "123456789012"
  admin_role_arns = ["arn:aws:iam::123456789012:role/admin"]
  alarm_emails    = ["ops@example.com"]
  transcode_tag   = "1.0.0"
  database        = true
  sessions        = true
  viewer_key_ids  = ["k1", "k2"]
}

override_data {
  target = module.key.data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.storage.data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.storage.module.media_key.data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.storage.module.copy_key.data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.cdn.data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.cdn.module.key.data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.observability.data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.transcode[0].data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.secrets.module.origin_lock["a"].data.aws_secretsmanager_random_password.value
  values = { random_password = "origin-lock-a" }
}

override_data {
  target = module.secrets.module.origin_lock["b"].data.aws_secretsmanager_random_password.value
  values = { random_password = "origin-lock-b" }
}

override_data {
  target = module.secrets.module.viewer_key["k1"].data.aws_secretsmanager_random_password.value
  values = { random_password = "viewer-key-k1" }
}

override_data {
  target = module.secrets.module.viewer_key["k2"].data.aws_secretsmanager_random_password.value
  values = { random_password = "viewer-key-k2" }
}

override_data {
  target = module.sessions[0].module.password.data.aws_secretsmanager_random_password.value
  values = { random_password = "redis-password-of-the-test" }
}

override_data {
  target = module.ingress.data.aws_ec2_managed_prefix_list.cloudfront
  values = { id = "pl-12345678" }
}

# Everything, under a name of its own.
run "everything" {
  command = plan

  variables {
    aliases         = ["media.example.com"]
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
    origin_tls = {
      certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
      domain_name     = "origin.example.com"
    }
  }

  assert {
    condition     = length(module.network.private_subnet_cidrs) == 3
    error_message = "three zones have a private subnet each"
  }

  assert {
    condition     = output.url == "https://media.example.com"
    error_message = "titles play under the name that was asked for"
  }
}

# What the first apply makes: no image yet, and neither database nor Redis.
run "the_first_apply" {
  command = plan

  variables {
    transcode_tag  = null
    database       = false
    sessions       = false
    require_tokens = false
    nat_per_zone   = false
    mesh           = false
  }

  assert {
    condition     = output.upload_bucket == null && output.data.database == null && output.data.sessions == null
    error_message = "what is not asked for is not made"
  }
}

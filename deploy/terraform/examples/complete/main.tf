# A whole caudal on AWS, in the order in which things need each other. What each module makes is at its top.
#
#   viewer -> CloudFront (WAF, edge function, Origin Shield) -> internal load balancer -> caudal on EKS -> S3
#   upload -> S3 -> queue -> function -> S3
#
# The cluster's own side is in workloads.tf; deploy/kubernetes runs caudal on it.

locals {
  tags = { project = var.name, managed-by = "terraform" }

  # What speaks against destroying it all: off for teardown.
  protect       = !var.teardown
  recovery_days = var.teardown ? 0 : 30
}

# Encrypts what is no title: logs, images, secrets, queues, the database. Titles have a key of their own, which is all that
# caudal can decrypt besides its secrets.
module "key" {
  source = "../../modules/key"

  name        = "${var.name}-platform"
  description = "Encrypts logs, images, secrets, queues and data of ${var.name}"
  services    = ["cloudwatch.amazonaws.com", "s3.amazonaws.com"]
}

module "network" {
  source = "../../modules/network"

  name               = var.name
  cidr               = var.cidr
  zones              = [for letter in var.zones : "${var.region}${letter}"]
  nat_per_zone       = var.nat_per_zone
  log_retention_days = var.log_retention_days
  kms_key_arn        = module.key.arn
}

module "storage" {
  source    = "../../modules/storage"
  providers = { aws = aws, aws.replica = aws.replica }

  name               = var.name
  archive_after_days = var.archive_after_days
  log_retention_days = var.log_retention_days
  force_destroy      = var.teardown
}

module "registry" {
  source = "../../modules/registry"

  name         = var.name
  repositories = ["caudal", "transcode"]
  kms_key_arn  = module.key.arn
  force_delete = var.teardown
}

module "secrets" {
  source = "../../modules/secrets"

  name               = var.name
  kms_key_arn        = module.key.arn
  origin_lock_active = var.origin_lock_active
  viewer_key_ids     = var.viewer_key_ids
  recovery_days      = local.recovery_days
}

module "cluster" {
  source = "../../modules/cluster"

  name               = var.name
  subnet_ids         = module.network.private_subnet_ids
  kms_key_arn        = module.key.arn
  log_retention_days = var.log_retention_days
  api_cidrs          = var.api_cidrs
  admin_role_arns    = var.admin_role_arns
  node_types         = var.node_types
  node_image         = var.node_image
  node_count         = var.node_count
}

module "ingress" {
  source = "../../modules/ingress"

  name                  = var.name
  vpc_id                = module.network.vpc_id
  subnet_ids            = module.network.private_subnet_ids
  pod_security_group_id = module.cluster.security_group_id
  certificate_arn       = var.origin_tls == null ? null : var.origin_tls.certificate_arn
  health                = var.mesh ? { port = 15021, path = "/healthz/ready" } : { port = 9180, path = "/readyz" }
  log_bucket            = module.storage.log_bucket
  deletion_protection   = local.protect
}

module "cdn" {
  source    = "../../modules/cdn"
  providers = { aws = aws, aws.us_east_1 = aws.us_east_1 }

  name = var.name
  origin = {
    load_balancer_arn = module.ingress.load_balancer_arn
    domain_name       = var.origin_tls == null ? module.ingress.dns_name : var.origin_tls.domain_name
    https             = var.origin_tls != null
  }
  origin_lock          = module.secrets.origin_lock
  origin_shield_region = var.origin_shield_region
  require_tokens       = var.require_tokens
  function_code        = file("${path.module}/../../../cloudfront/dist/viewer-request.js")
  viewer_keys          = module.secrets.viewer_keys
  signed_urls          = var.signed_urls
  vary_by_country      = var.vary_by_country
  cors_origins         = var.cors_origins
  geo                  = var.geo
  aliases              = var.aliases
  certificate_arn      = var.certificate_arn
  price_class          = var.price_class
  log_sampling         = var.log_sampling
  log_retention_days   = var.log_retention_days
  force_destroy        = var.teardown
}

# Nothing uses these two yet: tokens for one use and streams at a time are counted by each process for itself until they do.
module "database" {
  source = "../../modules/database"
  count  = var.database ? 1 : 0

  name                = var.name
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.data_subnet_ids
  clients             = { pods = module.cluster.security_group_id }
  kms_key_arn         = module.key.arn
  log_retention_days  = var.log_retention_days
  deletion_protection = local.protect
}

module "sessions" {
  source = "../../modules/sessions"
  count  = var.sessions ? 1 : 0

  name               = var.name
  vpc_id             = module.network.vpc_id
  subnet_ids         = module.network.data_subnet_ids
  clients            = { pods = module.cluster.security_group_id }
  kms_key_arn        = module.key.arn
  log_retention_days = var.log_retention_days
  recovery_days      = local.recovery_days
}

# Lambda wants the image before the function, and the registry comes with the first apply: so this comes with the second.
module "transcode" {
  source = "../../modules/transcode"
  count  = var.transcode_tag == null ? 0 : 1

  name               = var.name
  image_uri          = "${module.registry.urls["transcode"]}:${var.transcode_tag}"
  memory_size        = var.transcode_memory
  media_bucket       = module.storage.media_bucket
  media_bucket_arn   = module.storage.media_bucket_arn
  media_key_arn      = module.storage.media_key_arn
  kms_key_arn        = module.key.arn
  log_bucket         = module.storage.log_bucket
  log_retention_days = var.log_retention_days
  force_destroy      = var.teardown
}

module "observability" {
  source    = "../../modules/observability"
  providers = { aws = aws, aws.us_east_1 = aws.us_east_1 }

  name            = var.name
  emails          = var.alarm_emails
  kms_key_arn     = module.key.arn
  edge_key_arn    = module.cdn.key_arn
  distribution_id = module.cdn.distribution_id
  function_name   = module.cdn.function_name
  web_acl_name    = module.cdn.web_acl_name
  load_balancer   = module.ingress.metric_dimensions
  transcode = var.transcode_tag == null ? null : {
    function_name     = module.transcode[0].function_name
    dead_letter_queue = module.transcode[0].dead_letter_queue
  }
  database           = var.database ? module.database[0].identifier : null
  session_nodes      = var.sessions ? module.sessions[0].node_ids : []
  log_retention_days = var.log_retention_days
}

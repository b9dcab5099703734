output "url" {
  description = "Where titles play: URL/titles/NAME/master.m3u8, with a token where one is asked for."
  value       = "https://${length(var.aliases) > 0 ? var.aliases[0] : module.cdn.domain_name}"
}

output "distribution_id" {
  description = "For invalidations, when a title was replaced under its name."
  value       = module.cdn.distribution_id
}

output "upload_bucket" {
  description = "Where to upload: s3://BUCKET/uploads/NAME.mp4. null before there is an image to make titles with."
  value       = one(module.transcode[*].upload_bucket)
}

output "media_buckets" {
  description = "Where titles are, titles/NAME/, and their copy in the other region."
  value       = { media = module.storage.media_bucket, copy = module.storage.copy_bucket }
}

output "registry_urls" {
  description = "Where to push the images caudal and transcode."
  value       = module.registry.urls
}

# terraform output -raw kubernetes_env > ../../../kubernetes/overlays/production/account.env
output "kubernetes_env" {
  description = "What deploy/kubernetes has to know of this account, as its overlay reads it."
  value       = <<-EOT
    image=${module.registry.urls["caudal"]}:${var.caudal_tag}
    bucket=${module.storage.media_bucket}
    region=${var.region}
    target_group_arn=${module.ingress.target_group_arn}
    vpc_cidr=${var.cidr}
    origin_lock_a=${module.secrets.names.origin_lock["a"]}
    origin_lock_b=${module.secrets.names.origin_lock["b"]}
  EOT
}

output "kubernetes" {
  description = "The rest of what touches the cluster: names, secrets, log groups, and the roles that its pods have."
  value = {
    cluster       = module.cluster.name
    vpc_id        = module.network.vpc_id
    trusted_peers = module.network.private_subnet_cidrs
    secrets       = module.secrets.names
    log_groups    = module.observability.log_groups
    roles = {
      caudal                   = module.caudal_role.role_arn
      cloudwatch_agent         = module.log_agent_role.role_arn
      cluster_autoscaler       = module.autoscaler_role.role_arn
      external_secrets         = module.external_secrets_role.role_arn
      load_balancer_controller = module.load_balancer_controller_role.role_arn
    }
  }
}

output "data" {
  description = "PostgreSQL and Redis, where there are any, and the secrets of both."
  value = {
    database = one([for database in module.database : { endpoint = database.endpoint, secret = database.master_secret_arn }])
    sessions = one([for sessions in module.sessions : { endpoint = sessions.endpoint, secret = sessions.password_secret }])
  }
}

output "logs" {
  description = "Buckets of access logs: of S3 and the load balancer, and of every request at the edge."
  value       = { access = module.storage.log_bucket, requests = module.cdn.log_bucket }
}

output "alarm_topics" {
  description = "Topics to connect a pager to."
  value       = module.observability.topics
}

output "signed_url_key_ids" {
  description = "What signers write as Key-Pair-Id, by the keys' names."
  value       = module.cdn.signed_url_key_ids
}

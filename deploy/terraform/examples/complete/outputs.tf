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

output "media_bucket" {
  description = "Where titles are: titles/NAME/."
  value       = module.storage.media_bucket
}

output "registry_urls" {
  description = "Where to push the images caudal and transcode."
  value       = module.registry.urls
}

# All that deploy/kubernetes has to know.
output "kubernetes" {
  description = "For the overlay: names, roles, networks and secrets."
  value = {
    cluster       = module.cluster.name
    region        = var.region
    image         = module.registry.urls["caudal"]
    media_bucket  = module.storage.media_bucket
    copy_bucket   = module.storage.copy_bucket
    trusted_peers = module.network.private_subnet_cidrs
    target_group  = module.ingress.target_group_arn
    secrets       = module.secrets.names
    log_groups    = module.observability.log_groups
    vpc_id        = module.network.vpc_id
    roles = {
      caudal                   = module.caudal_role.role_arn
      cloudwatch_agent         = module.log_agent_role.role_arn
      cluster_autoscaler       = module.autoscaler_role.role_arn
      external_secrets         = module.external_secrets_role.role_arn
      load_balancer_controller = module.load_balancer_controller_role.role_arn
    }
  }
}

# terraform output -raw target_group_binding | kubectl apply -f -
output "target_group_binding" {
  description = "Puts the pods of the service caudal behind the load balancer, as YAML."
  value = yamlencode({
    apiVersion = "elbv2.k8s.aws/v1beta1"
    kind       = "TargetGroupBinding"
    metadata   = { name = "caudal", namespace = "caudal" }
    spec = {
      serviceRef     = { name = "caudal", port = "http" }
      targetGroupARN = module.ingress.target_group_arn
      targetType     = "ip"
    }
  })
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

# Redis for what several processes have to agree on, streams at a time above all: encrypted on disk and on the way, behind a
# password, with a replica in another zone that takes over.

resource "aws_elasticache_subnet_group" "this" {
  name        = var.name
  description = "The data subnets"
  subnet_ids  = var.subnet_ids
}

resource "aws_security_group" "this" {
  name        = "${var.name}-sessions"
  description = "Redis from its clients"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-sessions" }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = var.clients

  security_group_id            = aws_security_group.this.id
  description                  = "Redis from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
}

module "password" {
  source = "../secret"

  name          = "${var.name}/redis-password"
  description   = "Lets sessions into Redis"
  kms_key_arn   = var.kms_key_arn
  recovery_days = var.recovery_days
}

resource "aws_elasticache_parameter_group" "this" {
  name        = var.name
  description = "Full memory drops what was silent longest, instead of refusing new sessions"
  family      = "redis7"

  parameter {
    name  = "maxmemory-policy"
    value = "volatile-lru"
  }
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id = var.name
  description          = "Sessions of ${var.name}"
  engine               = "redis"
  engine_version       = "7.1"
  node_type            = var.node_type
  port                 = 6379

  num_cache_clusters         = var.nodes
  automatic_failover_enabled = true
  multi_az_enabled           = true

  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  auth_token                 = module.password.value
  # Both the old password and the new one are good until the next change, so that clients follow at their own pace.
  auth_token_update_strategy = "ROTATE"

  subnet_group_name    = aws_elasticache_subnet_group.this.name
  security_group_ids   = [aws_security_group.this.id]
  parameter_group_name = aws_elasticache_parameter_group.this.name

  auto_minor_version_upgrade = true
  maintenance_window         = "sun:05:00-sun:06:00"
  snapshot_retention_limit   = var.snapshot_days
  snapshot_window            = "03:00-04:00"

  log_delivery_configuration {
    destination      = aws_cloudwatch_log_group.slow.name
    destination_type = "cloudwatch-logs"
    log_format       = "json"
    log_type         = "slow-log"
  }
}

resource "aws_cloudwatch_log_group" "slow" {
  name              = "/${var.name}/redis-slow"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

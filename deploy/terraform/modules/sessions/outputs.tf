output "endpoint" {
  description = "The primary's host. Connect over TLS, port 6379."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "password_secret" {
  description = "The name of the secret with the password."
  value       = module.password.name
}

output "node_ids" {
  description = "The nodes' ids, for alarms."
  value       = [for number in range(1, var.nodes + 1) : format("%s-%03d", var.name, number)]
}

output "arn" {
  description = "The secret's ARN, for policies."
  value       = aws_secretsmanager_secret.this.arn
}

output "name" {
  description = "The secret's name, for references such as aws-secretsmanager:NAME."
  value       = aws_secretsmanager_secret.this.name
}

output "value" {
  description = "What is in it."
  value       = aws_secretsmanager_secret_version.this.secret_string
  sensitive   = true
}

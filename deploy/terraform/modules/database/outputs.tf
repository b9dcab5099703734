output "identifier" {
  description = "The database's identifier, for alarms."
  value       = aws_db_instance.this.identifier
}

output "endpoint" {
  description = "Host and port. Connect with sslmode=verify-full."
  value       = aws_db_instance.this.endpoint
}

output "master_secret_arn" {
  description = "Where AWS keeps the master password and rotates it."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

output "upload_bucket" {
  description = "Where to upload: s3://BUCKET/uploads/NAME.mp4."
  value       = module.uploads.name
}

output "function_name" {
  description = "The function, for alarms."
  value       = aws_lambda_function.this.function_name
}

output "dead_letter_queue" {
  description = "The queue of uploads that failed, for alarms."
  value       = aws_sqs_queue.dead.name
}

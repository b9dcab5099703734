variable "known" {
  description = "Is used."
  type        = string
}

variable "idle" { # fault: var.idle is declared and never used
  description = "Is not."
  type        = text # fault: var.idle: no type text
}

variable "nosy" {
  description = "Asks for another."
  type        = string

  validation {
    condition     = var.nosy != var.known # fault: var.nosy: a validation asks for its own variable alone, not for var.known
    error_message = "They differ."
  }
}

locals {
  idle = var.nosy # fault: local.idle is declared and never used
}

resource "aws_s3_bucket" "a" {
  bucket        = "${var.known}-${var.unknown}" # fault: aws_s3_bucket.a: var.unknown refers to nothing: no var.unknown is declared
  force_destroy = local.nothing                 # fault: aws_s3_bucket.a: local.nothing refers to nothing: no local.nothing is declared
  tags          = { a = each.key, b = count.index } # fault: aws_s3_bucket.a: each.key where there is no for_each # fault: aws_s3_bucket.a: count.index where there is no count
}

resource "aws_s3_bucket" "a" { # fault: aws_s3_bucket.a is declared twice
  provider = aws.elsewhere     # fault: aws_s3_bucket.a: no provider aws.elsewhere
}

resource "aws_s3_bucket_versioning" "a" {
  bucket = aws_s3_bucket.b.id # fault: aws_s3_bucket_versioning.a: aws_s3_bucket.b.id refers to nothing: no aws_s3_bucket.b is declared

  versioning_configuration {
    status = Enabled # fault: aws_s3_bucket_versioning.a: Enabled refers to nothing: quote it if it is a word
  }
}

output "attribute" {
  description = "An attribute that a bucket does not have."
  value       = aws_s3_bucket.a.arm # fault: output.attribute: aws_s3_bucket.a.arm refers to nothing: aws_s3_bucket has no arm
}

output "nested" {
  description = "One inside of a block."
  value       = aws_s3_bucket_versioning.a.versioning_configuration[0].state # fault: output.nested: aws_s3_bucket_versioning.a.versioning_configuration[].state refers to nothing: aws_s3_bucket_versioning has no state
}

output "bound" {
  description = "What for does not bind."
  value       = [for name in [var.known] : nam] # fault: output.bound: nam refers to nothing: quote it if it is a word
}

output "index" {
  description = "In an index."
  value       = aws_s3_bucket.a[var.absent].arn # fault: output.index: var.absent refers to nothing: no var.absent is declared
}

output "heredoc" {
  description = "In a heredoc."
  # fault below: output.heredoc: data.aws_region.here.id refers to nothing: no data.aws_region.here is declared
  value = <<-EOT
    ${data.aws_region.here.id}
  EOT
}

output "function" {
  description = "A function of no Terraform."
  value       = upcase(var.known) # fault: output.function: no function upcase in Terraform 1.5
}

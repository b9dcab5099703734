# Nothing is wrong here, in the ways in which a checker might think so.
variable "names" {
  description = "Names of buckets."
  type        = map(object({ tags = optional(list(string), []) }))

  validation {
    condition     = alltrue([for name, more in var.names : length(name) > 3 && length(more.tags) < 5])
    error_message = "names are longer than ${3} letters."
  }
}

locals {
  short = { for name in keys(var.names) : name => substr(name, 0, 3) if startswith(name, "a") }
}

data "aws_region" "here" {}

resource "aws_s3_bucket" "this" {
  for_each = var.names

  bucket = "${each.key}%{if length(each.value.tags) > 0}-${each.value.tags[0]}%{endif}"
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this["media"].id

  dynamic "rule" {
    for_each = local.short
    iterator = each_rule

    content {
      id     = each_rule.key
      status = "Enabled"

      filter {
        prefix = each_rule.value
      }
    }
  }

  lifecycle {
    ignore_changes = [rule[0].status]
  }
}

output "arns" {
  description = "What came of it."
  value       = { region = data.aws_region.here.id, arns = values(aws_s3_bucket.this)[*].arn, text = <<-EOT
    ${aws_s3_bucket.this["media"].arn}
  EOT
  }
}

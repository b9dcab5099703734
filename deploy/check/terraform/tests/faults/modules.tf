module "none" { # fault: module.none: its source is none of the modules here
  source = "./nowhere"
}

module "child" { # fault: module.child: the module's variable size is missing # fault: module.child: the module's provider aws.far is missing
  source = "./child"
  colour = "red" # fault: module.child: the module has no variable colour
}

output "read" {
  description = "One that is there, one that is not."
  value       = [module.child.arn, module.child.name] # fault: output.read: module.child.name refers to nothing: the module has no output name
}
# file: child/main.tf
terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source                = "hashicorp/aws"
      version               = "~> 5.100"
      configuration_aliases = [aws.far]
    }
  }
}

variable "size" {
  description = "How large."
  type        = number
}

resource "aws_s3_bucket" "this" {
  provider = aws.far
  bucket   = "size-${var.size}"
}

output "arn" {
  description = "Is read."
  value       = aws_s3_bucket.this.arn
}

output "id" { # fault: output.id is declared and never read
  description = "Is not."
  value       = aws_s3_bucket.this.id
}

resource "aws_s3_bucket" "typo" {
  buckt = "a" # fault: aws_s3_bucket.typo: no argument buckt: did you mean bucket?
}

resource "aws_s3_bucket_versioning" "missing" { # fault: aws_s3_bucket_versioning.missing: the argument bucket is missing
  versioning_configuration {                    # fault: aws_s3_bucket_versioning.missing.versioning_configuration: the argument status is missing
    mfa_delet = "Enabled"                       # fault: aws_s3_bucket_versioning.missing.versioning_configuration: no argument mfa_delet: did you mean mfa_delete?
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "meta" {
  bucket     = "a"
  depend_on  = [] # fault: aws_s3_bucket_lifecycle_configuration.meta: no argument depend_on: did you mean depends_on?
  depends_on = []

  lifecycle {
    ignore_change  = []      # fault: aws_s3_bucket_lifecycle_configuration.meta.lifecycle: no argument ignore_change: did you mean ignore_changes?
    ignore_changes = [ruler] # fault: aws_s3_bucket_lifecycle_configuration.meta.lifecycle: ignore_changes names ruler, which is no argument
  }
}

variable "bare" {} # fault: var.bare: the argument description is missing # fault: var.bare: the argument type is missing

output "bare" { # fault: output.bare: the argument description is missing
  value = var.bare
}

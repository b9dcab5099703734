resource "aws_s3_bucket_versioning" "none" { # fault: aws_s3_bucket_versioning.none: the block versioning_configuration is missing
  bucket = "a"
}

resource "aws_s3_bucket_versioning" "equals" {
  bucket                   = "a"
  versioning_configuration = { status = "Enabled" } # fault: aws_s3_bucket_versioning.equals: versioning_configuration is a block: write versioning_configuration { … }

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_versioning" "twice" {
  bucket = "a"

  versioning_configuration {
    status = "Enabled"
  }

  versioning_configuration { # fault: aws_s3_bucket_versioning.twice: only one block versioning_configuration may be there
    status = "Suspended"
  }
}

resource "aws_s3_bucket" "argument" {
  bucket { # fault: aws_s3_bucket.argument: bucket is an argument: write bucket = …
  }

  cors_ruler { # fault: aws_s3_bucket.argument: no block cors_ruler: did you mean cors_rule?
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "nested" {
  bucket = "a"

  dynamic "rule" {
    for_each = ["a"]

    content { # fault: aws_s3_bucket_lifecycle_configuration.nested.rule: the argument id is missing
      status = rule.value

      transition {
        day           = 1 # fault: aws_s3_bucket_lifecycle_configuration.nested.rule.transition: no argument day: did you mean days?
        storage_class = "GLACIER"
      }
    }
  }

  dynamic "rule" { # fault: aws_s3_bucket_lifecycle_configuration.nested: dynamic "rule" needs for_each and one content block
    for_each = ["a"]
  }
}

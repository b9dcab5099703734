resource "aws_s3_bucket" "a" {
  bucket = "a
} # fault: this is no HCL

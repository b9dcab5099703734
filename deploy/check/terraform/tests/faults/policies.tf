data "aws_iam_policy_document" "a" {
  statement {
    actions   = ["s3:GetObject", "s3:GetObjekt", "kms:*"] # fault: data.aws_iam_policy_document.a: IAM has no action s3:GetObjekt: did you mean s3:getobject?
    resources = ["*"]
  }

  statement {
    actions   = ["s3:*"] # fault: data.aws_iam_policy_document.a: s3:* grants everything of a service: name the actions
    resources = ["*"]
  }

  statement {
    actions   = ["sqs:Sned*"] # fault: data.aws_iam_policy_document.a: no action of IAM begins with sqs:Sned
    resources = ["*"]
  }

  statement {
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = ["*"]
  }
}

output "a" {
  description = "So that it is used."
  value       = data.aws_iam_policy_document.a.json
}

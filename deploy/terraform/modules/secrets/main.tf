# What caudal and CloudFront know of each other, and what viewers' tokens are signed with.
#
# The origin lock has two slots. caudal accepts both, CloudFront sends the active one. To rotate without refusing anybody:
#
#   1. make the idle one anew:      terraform apply -replace='module.secrets.module.origin_lock["b"].aws_secretsmanager_secret_version.this'
#   2. wait until caudal knows it:  ten minutes. External Secrets looks every five, the kubelet brings the file within
#                                   one and a half, caudal reads it again within ten seconds (viewer.reload)
#   3. send it:                     origin_lock_active = "b", terraform apply
#   4. make the other one anew, once CloudFront says Deployed: what leaked opens nothing any more

module "origin_lock" {
  source   = "../secret"
  for_each = toset(["a", "b"])

  name          = "${var.name}/origin-lock/${each.key}"
  description   = "The header by which caudal knows that CloudFront asks; slot ${each.key} of two"
  kms_key_arn   = var.kms_key_arn
  recovery_days = var.recovery_days
}

# A key for viewers' tokens per id. To rotate: add an id, sign with it, and take the old one out of the list when the last
# token of it has ended. Both the edge and caudal go by the id.
module "viewer_key" {
  source   = "../secret"
  for_each = var.viewer_key_ids

  name          = "${var.name}/viewer-key/${each.key}"
  description   = "Signs viewers' tokens (HS256) with the key id ${each.key}"
  kms_key_arn   = var.kms_key_arn
  recovery_days = var.recovery_days
}

# For whoever hands the lock to caudal. Viewers' keys are for the edge, which has them already, and for those who sign.
data "aws_iam_policy_document" "read" {
  statement {
    sid       = "ReadOriginLock"
    actions   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
    resources = [for secret in module.origin_lock : secret.arn]
  }

  statement {
    sid       = "DecryptSecrets"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]
  }
}

# GitHub Actions enters by OIDC: GitHub vouches for the run, AWS gives it a role for an hour, and no key is kept anywhere.
#
#   plan    any run for a pull request or the main branch; reads, and changes nothing
#   deploy  runs of a protected environment alone: somebody has approved them
#   release runs for a tag, in an environment of their own; pushes images, and nothing else

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

locals {
  # Who may take which role, in GitHub's words.
  subjects = {
    plan   = ["repo:${var.repository}:pull_request", "repo:${var.repository}:ref:refs/heads/main"]
    deploy = ["repo:${var.repository}:environment:${var.environment}"]
    # The workflow release.yml names it.
    release = ["repo:${var.repository}:environment:release"]
  }

  # Who works with Terraform's state.
  planners = toset(["plan", "deploy"])
}

data "aws_iam_policy_document" "trust" {
  for_each = local.subjects

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.github.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = each.value
    }
  }
}

resource "aws_iam_role" "pipeline" {
  for_each = local.subjects

  name                 = "${var.name}-pipeline-${each.key}"
  description          = "For GitHub Actions of ${var.repository}: ${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  max_session_duration = 7200
}

# A plan reads everything there is and the state.
resource "aws_iam_role_policy_attachment" "plan" {
  role       = aws_iam_role.pipeline["plan"].name
  policy_arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
}

# An apply makes everything but identities; those by the policy below, under this name alone.
resource "aws_iam_role_policy_attachment" "deploy" {
  role       = aws_iam_role.pipeline["deploy"].name
  policy_arn = "arn:aws:iam::aws:policy/PowerUserAccess"
}

data "aws_iam_policy_document" "state" {
  statement {
    sid       = "FindState"
    actions   = ["s3:ListBucket"]
    resources = [module.state.arn]
  }

  # A plan too refreshes secrets into the state's plan and takes the lock, which is an object beside the state.
  statement {
    sid       = "ReadStateAndLock"
    actions   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = ["${module.state.arn}/*.tflock"]
  }

  statement {
    sid       = "ReadState"
    actions   = ["s3:GetObject"]
    resources = ["${module.state.arn}/*"]
  }

  statement {
    sid       = "DecryptState"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.key.arn]
  }

  # What a refresh has to see and ReadOnlyAccess leaves out.
  statement {
    sid       = "ReadOurSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = ["arn:aws:secretsmanager:*:${data.aws_caller_identity.current.account_id}:secret:${var.name}/*"]
  }

  statement {
    sid       = "DrawPasswords"
    actions   = ["secretsmanager:GetRandomPassword"]
    resources = ["*"]
  }

  statement {
    sid       = "DecryptOurSecrets"
    actions   = ["kms:Decrypt"]
    resources = ["arn:aws:kms:*:${data.aws_caller_identity.current.account_id}:key/*"]

    condition {
      test     = "StringLike"
      variable = "kms:ViaService"
      values   = ["secretsmanager.*.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "state" {
  for_each = local.planners

  name   = "state"
  role   = aws_iam_role.pipeline[each.key].id
  policy = data.aws_iam_policy_document.state.json
}

data "aws_iam_policy_document" "release" {
  statement {
    sid       = "EnterRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid = "PushImages"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:CompleteLayerUpload",
      "ecr:DescribeImages",
      "ecr:GetDownloadUrlForLayer",
      "ecr:InitiateLayerUpload",
      "ecr:PutImage",
      "ecr:UploadLayerPart",
    ]
    resources = ["arn:aws:ecr:*:${data.aws_caller_identity.current.account_id}:repository/${var.name}/*"]
  }
}

resource "aws_iam_role_policy" "release" {
  name   = "release"
  role   = aws_iam_role.pipeline["release"].id
  policy = data.aws_iam_policy_document.release.json
}

data "aws_iam_policy_document" "roles" {
  statement {
    sid = "RolesOfThisName"
    actions = [
      "iam:AttachRolePolicy",
      "iam:CreateRole",
      "iam:DeleteRole",
      "iam:DeleteRolePolicy",
      "iam:DetachRolePolicy",
      "iam:GetRole",
      "iam:GetRolePolicy",
      "iam:ListAttachedRolePolicies",
      "iam:ListInstanceProfilesForRole",
      "iam:ListRolePolicies",
      "iam:PassRole",
      "iam:PutRolePolicy",
      "iam:TagRole",
      "iam:UntagRole",
      "iam:UpdateAssumeRolePolicy",
      "iam:UpdateRole",
    ]
    resources = ["arn:aws:iam::${data.aws_caller_identity.current.account_id}:role/${var.name}-*"]
  }

  # The pipeline does not widen its own rights.
  statement {
    sid       = "NotItsOwn"
    effect    = "Deny"
    actions   = ["iam:AttachRolePolicy", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"]
    resources = ["arn:aws:iam::${data.aws_caller_identity.current.account_id}:role/${var.name}-pipeline-*"]
  }

  statement {
    sid       = "WriteState"
    actions   = ["s3:PutObject"]
    resources = ["${module.state.arn}/*"]
  }
}

resource "aws_iam_role_policy" "roles" {
  name   = "roles"
  role   = aws_iam_role.pipeline["deploy"].id
  policy = data.aws_iam_policy_document.roles.json
}

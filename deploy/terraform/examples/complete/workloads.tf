# Who may do what from inside the cluster: a role for each service account, by Pod Identity.

module "caudal_role" {
  source = "../../modules/workload"

  name            = "${var.name}-caudal"
  cluster_name    = module.cluster.name
  namespace       = "caudal"
  service_account = "caudal"
  policies        = { titles = module.storage.read_policy }
}

# The External Secrets operator hands the origin lock to caudal's pods as files. Whoever lets caudal read Secrets Manager
# itself (aws-secretsmanager:NAME) gives this policy to caudal's role instead.
module "external_secrets_role" {
  source = "../../modules/workload"

  name            = "${var.name}-external-secrets"
  cluster_name    = module.cluster.name
  namespace       = "external-secrets"
  service_account = "external-secrets"
  policies        = { secrets = module.secrets.read_policy }
}

# The AWS Load Balancer Controller puts pods into one target group. It makes no load balancer and opens no security group,
# so it may do neither.
data "aws_iam_policy_document" "load_balancer_controller" {
  statement {
    sid       = "PutPodsInAndOut"
    actions   = ["elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"]
    resources = [module.ingress.target_group_arn]
  }

  # Looking knows no resources.
  statement {
    sid = "Look"
    actions = [
      "ec2:DescribeAvailabilityZones",
      "ec2:DescribeInstances",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcs",
      "elasticloadbalancing:DescribeTargetGroups",
      "elasticloadbalancing:DescribeTargetHealth",
    ]
    resources = ["*"]
  }
}

module "load_balancer_controller_role" {
  source = "../../modules/workload"

  name            = "${var.name}-load-balancer-controller"
  cluster_name    = module.cluster.name
  namespace       = "kube-system"
  service_account = "aws-load-balancer-controller"
  policies        = { targets = data.aws_iam_policy_document.load_balancer_controller.json }
}

# The cluster autoscaler moves the size of groups that EKS tagged as this cluster's.
data "aws_iam_policy_document" "autoscaler" {
  statement {
    sid       = "Resize"
    actions   = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
    resources = ["arn:aws:autoscaling:${var.region}:${var.account_id}:autoScalingGroup:*:autoScalingGroupName/eks-*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/k8s.io/cluster-autoscaler/${var.name}"
      values   = ["owned"]
    }
  }

  statement {
    sid = "Look"
    actions = [
      "autoscaling:DescribeAutoScalingGroups",
      "autoscaling:DescribeAutoScalingInstances",
      "autoscaling:DescribeLaunchConfigurations",
      "autoscaling:DescribeScalingActivities",
      "autoscaling:DescribeTags",
      "ec2:DescribeImages",
      "ec2:DescribeInstanceTypes",
      "ec2:DescribeLaunchTemplateVersions",
      "ec2:GetInstanceTypesFromInstanceRequirements",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "LookAtNodeGroups"
    actions   = ["eks:DescribeNodegroup"]
    resources = ["arn:aws:eks:${var.region}:${var.account_id}:nodegroup/${var.name}/*"]
  }
}

module "autoscaler_role" {
  source = "../../modules/workload"

  name            = "${var.name}-cluster-autoscaler"
  cluster_name    = module.cluster.name
  namespace       = "kube-system"
  service_account = "cluster-autoscaler"
  policies        = { scale = data.aws_iam_policy_document.autoscaler.json }
}

module "log_agent_role" {
  source = "../../modules/workload"

  name            = "${var.name}-cloudwatch-agent"
  cluster_name    = module.cluster.name
  namespace       = "amazon-cloudwatch"
  service_account = "cloudwatch-agent"
  policies        = { logs = module.observability.agent_policy }
}

# What every cluster needs, kept by EKS at the versions that go with the cluster's own.

locals {
  # Before the nodes: a node without network is never ready.
  early = ["eks-pod-identity-agent", "kube-proxy"]
  # On the nodes: name resolution, and the figures that the HorizontalPodAutoscaler goes by.
  late = ["coredns", "metrics-server"]
}

resource "aws_eks_addon" "early" {
  for_each = toset(local.early)

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
}

module "network_role" {
  source = "../workload"

  name            = "${var.name}-vpc-cni"
  cluster_name    = aws_eks_cluster.this.name
  namespace       = "kube-system"
  service_account = "aws-node"
  managed_policy  = "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"
}

resource "aws_eks_addon" "network" {
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = "vpc-cni"
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  # NetworkPolicy is a word without this.
  configuration_values = jsonencode({ enableNetworkPolicy = "true" })

  depends_on = [module.network_role, aws_eks_addon.early]
}

resource "aws_eks_addon" "late" {
  for_each = toset(local.late)

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  depends_on = [aws_eks_node_group.this]
}

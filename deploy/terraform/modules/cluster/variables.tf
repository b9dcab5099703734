variable "name" {
  description = "The cluster's name, and put before the names of its roles."
  type        = string
}

variable "kubernetes_version" {
  description = "The version of Kubernetes. Upgrades go one at a time: the cluster, then its nodes."
  type        = string
  default     = "1.34"

  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version))
    error_message = "kubernetes_version is a minor version, such as 1.34."
  }
}

variable "subnet_ids" {
  description = "Private subnets for nodes and pods, in two zones at least."
  type        = list(string)
}

variable "kms_key_arn" {
  description = "The key that Kubernetes secrets and the control plane's log are encrypted with."
  type        = string
}

variable "log_retention_days" {
  description = "How long the control plane's log is kept, in days."
  type        = number
}

variable "api_cidrs" {
  description = "Networks that reach the Kubernetes API over the internet. None, and it is reached from inside the VPC alone."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.api_cidrs : can(cidrhost(cidr, 0)) && cidr != "0.0.0.0/0"])
    error_message = "api_cidrs are networks of yours, such as 203.0.113.0/24, and not the whole internet."
  }
}

variable "admin_role_arns" {
  description = "IAM roles that administer the cluster: yours, and the pipeline's that deploys."
  type        = set(string)

  validation {
    condition     = length(var.admin_role_arns) > 0 && alltrue([for arn in var.admin_role_arns : can(regex("^arn:aws:iam::[0-9]{12}:role/", arn))])
    error_message = "admin_role_arns has one role's ARN at least (arn:aws:iam::123456789012:role/NAME), or nobody could enter."
  }
}

variable "node_types" {
  description = "Instance types of the nodes, of one architecture. c7gn has the most network for its price."
  type        = list(string)
  default     = ["c7gn.xlarge"]
}

variable "node_image" {
  description = "The nodes' image, of the same architecture: AL2023_ARM_64_STANDARD or AL2023_x86_64_STANDARD."
  type        = string
  default     = "AL2023_ARM_64_STANDARD"

  validation {
    condition     = contains(["AL2023_ARM_64_STANDARD", "AL2023_x86_64_STANDARD"], var.node_image)
    error_message = "node_image is AL2023_ARM_64_STANDARD or AL2023_x86_64_STANDARD."
  }
}

variable "node_count" {
  description = "How few and how many nodes there are. One a zone at least, or losing a zone loses the service."
  type        = object({ min = number, max = number })
  default     = { min = 3, max = 12 }

  validation {
    condition     = var.node_count.min >= 1 && var.node_count.max >= var.node_count.min
    error_message = "node_count.min is 1 at least, and node_count.max no less than it."
  }
}

variable "node_disk_gib" {
  description = "A node's disk, in GiB: images and logs. caudal keeps its cache in memory."
  type        = number
  default     = 50

  validation {
    condition     = var.node_disk_gib >= 20
    error_message = "node_disk_gib is 20 at least, for the system and its images."
  }
}

variable "name" {
  description = "Put before the names of everything."
  type        = string
}

variable "cidr" {
  description = "The VPC's network, /16 to /18: the subnets are cut from it."
  type        = string
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && can(regex("/1[678]$", var.cidr))
    error_message = "cidr is a network of /16 to /18, such as 10.40.0.0/16."
  }
}

variable "zones" {
  description = "The availability zones, two to six. Load balancers and databases need two; three outlive one with less spare."
  type        = list(string)

  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 6 && length(distinct(var.zones)) == length(var.zones)
    error_message = "zones are two to six different availability zones, such as eu-central-1a."
  }
}

variable "nat_per_zone" {
  description = "Whether each zone has a NAT gateway of its own. One for all is cheaper, and takes every zone down with its own."
  type        = bool
  default     = true
}

variable "interface_endpoints" {
  description = "AWS services that are reached inside the VPC, by the last part of their endpoint's name."
  type        = set(string)
  default     = ["ecr.api", "ecr.dkr", "eks-auth", "logs", "secretsmanager", "sts"]
}

variable "log_retention_days" {
  description = "How long the flow log is kept, in days."
  type        = number
}

variable "kms_key_arn" {
  description = "The key that the flow log is encrypted with."
  type        = string
}

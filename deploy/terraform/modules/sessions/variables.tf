variable "name" {
  description = "The replication group's id, and put before the names of what it needs."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,38}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "A replication group's id is up to 40 of a-z, 0-9 and single hyphens, and begins with a letter."
  }
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Data subnets, in two zones at least."
  type        = list(string)
}

variable "clients" {
  description = "Security groups that may connect, by what they are."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "The key that data, snapshots, logs and the password are encrypted with."
  type        = string
}

variable "node_type" {
  description = "The nodes' type."
  type        = string
  default     = "cache.t4g.small"

  validation {
    condition     = startswith(var.node_type, "cache.")
    error_message = "node_type begins with cache., such as cache.t4g.small."
  }
}

variable "nodes" {
  description = "The primary and its replicas; two at least, or nothing can take over."
  type        = number
  default     = 2

  validation {
    condition     = var.nodes >= 2 && var.nodes <= 6
    error_message = "nodes is 2 to 6."
  }
}

variable "snapshot_days" {
  description = "How many daily snapshots are kept; 0 for none, as sessions are short."
  type        = number
  default     = 1
}

variable "log_retention_days" {
  description = "How long the slow log is kept, in days."
  type        = number
}

variable "recovery_days" {
  description = "How long the deleted password can be brought back: 7 to 30 days, or 0 for not at all."
  type        = number
  default     = 30
}

variable "name" {
  description = "The database's identifier, and put before the names of what it needs."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,61}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "A database's identifier is of a-z, 0-9 and single hyphens, and begins with a letter."
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
  description = "The key that everything is encrypted with: data, backups, logs, the master password."
  type        = string
}

variable "engine_version" {
  description = "PostgreSQL's version, major alone (17) so that minor ones may come by themselves."
  type        = string
  default     = "17"

  validation {
    condition     = can(regex("^1[4-9](\\.[0-9]+)?$", var.engine_version))
    error_message = "engine_version is 14 to 19, with or without a minor version: 17 or 17.6."
  }
}

variable "instance_class" {
  description = "The instance's class."
  type        = string
  default     = "db.t4g.medium"

  validation {
    condition     = startswith(var.instance_class, "db.")
    error_message = "instance_class begins with db., such as db.t4g.medium."
  }
}

variable "storage_gib" {
  description = "The disk at the start, and what it may grow to by itself, in GiB."
  type        = object({ start = optional(number, 20), max = optional(number, 200) })
  default     = {}

  validation {
    condition     = var.storage_gib.start >= 20 && var.storage_gib.max > var.storage_gib.start
    error_message = "storage_gib.start is 20 at least, and storage_gib.max above it."
  }
}

variable "backup_days" {
  description = "How far back the database can be restored to any second, in days."
  type        = number
  default     = 14

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "backup_days is 1 to 35."
  }
}

variable "log_retention_days" {
  description = "How long the database's log is kept, in days."
  type        = number
}

variable "deletion_protection" {
  description = "Whether the database refuses to be destroyed, and leaves a last snapshot. Off for teardown only."
  type        = bool
  default     = true
}

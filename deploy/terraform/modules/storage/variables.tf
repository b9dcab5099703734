variable "name" {
  description = "Put before the names of everything."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,28}[a-z0-9]$", var.name))
    error_message = "name is 3 to 30 of a-z, 0-9 and -, begins with a letter, and leaves room in a bucket's name for the account's number."
  }
}

variable "noncurrent_days" {
  description = "How long what was overwritten or deleted can be brought back, in days."
  type        = number
  default     = 30
}

variable "archive_after_days" {
  description = "After how many days what is under archive/, or has the tag archive=true, goes to Glacier."
  type        = number
  default     = 30

  validation {
    condition     = var.archive_after_days >= 1
    error_message = "archive_after_days is 1 at least: today's objects may still be on their way."
  }
}

variable "archive_class" {
  description = "GLACIER (minutes to hours to restore) or DEEP_ARCHIVE (up to two days, a quarter of the price)."
  type        = string
  default     = "GLACIER"

  validation {
    condition     = contains(["GLACIER", "DEEP_ARCHIVE"], var.archive_class)
    error_message = "archive_class is GLACIER or DEEP_ARCHIVE."
  }
}

variable "log_retention_days" {
  description = "How long access logs are kept, in days. They hold viewers' addresses: no longer than there is a reason for."
  type        = number
  default     = 90
}

variable "force_destroy" {
  description = "Whether the buckets can be destroyed with the titles in them. For teardown only."
  type        = bool
  default     = false
}

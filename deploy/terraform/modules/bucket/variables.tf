variable "name" {
  description = "The bucket's name, unique in all of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "A bucket's name is 3 to 63 of a-z, 0-9 and -. Dots are legal and break TLS, so they are refused here."
  }
}

# Objects, not strings, so that whether there is one is known before its ARN is.

variable "kms_key" {
  description = "The key to encrypt with; null encrypts with S3's own, which is all that log deliveries can write to."
  type        = object({ arn = string })
  default     = null
}

variable "log_bucket" {
  description = "The bucket that gets this one's access log; null keeps none."
  type        = object({ name = string })
  default     = null
}

variable "policies" {
  description = "Policy documents in JSON, beside the one that refuses plain HTTP."
  type        = list(string)
  default     = []
}

variable "noncurrent_days" {
  description = "How long what was overwritten or deleted can be brought back, in days."
  type        = number
  default     = 30

  validation {
    condition     = var.noncurrent_days >= 1 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "noncurrent_days is a whole number of days, 1 at least."
  }
}

variable "lifecycle_rules" {
  description = "By name: which objects (of a prefix, or with a tag) are archived or expire, and after how many days."
  type = map(object({
    prefix        = optional(string, "")
    tag           = optional(object({ key = string, value = string }))
    archive_after = optional(number)
    archive_class = optional(string, "GLACIER")
    expire_after  = optional(number)
  }))
  default = {}

  validation {
    condition     = alltrue([for rule in values(var.lifecycle_rules) : rule.archive_after != null || rule.expire_after != null])
    error_message = "A lifecycle rule says archive_after or expire_after, or it does nothing."
  }

  validation {
    condition     = alltrue([for rule in values(var.lifecycle_rules) : contains(["GLACIER", "GLACIER_IR", "DEEP_ARCHIVE"], rule.archive_class)])
    error_message = "archive_class is GLACIER, GLACIER_IR or DEEP_ARCHIVE."
  }
}

variable "force_destroy" {
  description = "Whether the bucket can be destroyed with objects in it. For teardown only."
  type        = bool
  default     = false
}

variable "name" {
  description = "Put before the secrets' names: NAME/origin-lock/a."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that secrets are encrypted with."
  type        = string
}

variable "origin_lock_active" {
  description = "The slot of the origin lock that CloudFront sends: \"a\" or \"b\". caudal accepts both."
  type        = string
  default     = "a"

  validation {
    condition     = contains(["a", "b"], var.origin_lock_active)
    error_message = "origin_lock_active is \"a\" or \"b\"."
  }
}

variable "viewer_key_ids" {
  description = "Ids (kid) of the keys that viewers' tokens may be signed with; several while one replaces another."
  type        = set(string)
  default     = ["k1"]

  validation {
    condition     = length(var.viewer_key_ids) > 0 && alltrue([for id in var.viewer_key_ids : can(regex("^[a-z0-9]{1,32}$", id))])
    error_message = "viewer_key_ids has one id at least, each of 1 to 32 of a-z and 0-9."
  }
}

variable "recovery_days" {
  description = "How long a deleted secret can be brought back: 7 to 30 days, or 0 for not at all."
  type        = number
  default     = 30
}

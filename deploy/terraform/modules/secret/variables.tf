variable "name" {
  description = "The secret's name in Secrets Manager."
  type        = string

  validation {
    # Secrets Manager adds a hyphen and six letters to the ARN, and finds the wrong secret by a name that ends like that.
    condition     = can(regex("^[a-zA-Z0-9/_+=.@-]{1,512}$", var.name)) && !can(regex("-[a-zA-Z0-9]{6}$", var.name))
    error_message = "A secret's name is of letters, digits and /_+=.@-, and does not end in a hyphen and six letters."
  }
}

variable "description" {
  description = "Who uses it and what for."
  type        = string
}

variable "kms_key_arn" {
  description = "The key it is encrypted with."
  type        = string
}

variable "recovery_days" {
  description = "How long a deleted secret can be brought back: 7 to 30 days, or 0 for not at all, so that its name is free at once."
  type        = number
  default     = 30

  validation {
    condition     = var.recovery_days == 0 || (var.recovery_days >= 7 && var.recovery_days <= 30)
    error_message = "recovery_days is 0 or 7 to 30."
  }
}

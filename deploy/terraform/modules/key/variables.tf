variable "name" {
  description = "The key's alias, without \"alias/\"."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9/_-]{1,250}$", var.name)) && !startswith(var.name, "aws/")
    error_message = "The name of a key is of letters, digits, /, _ and -, and does not begin with aws/, which is Amazon's own."
  }
}

variable "description" {
  description = "What is encrypted with it: whoever finds the key in the console reads this."
  type        = string
}

variable "services" {
  description = "AWS services that use the key by themselves on this account's behalf, such as s3.amazonaws.com."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for service in var.services : endswith(service, ".amazonaws.com")])
    error_message = "A service is named as its principal: s3.amazonaws.com, not s3."
  }
}

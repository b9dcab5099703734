variable "name" {
  description = "The same as the name of what is applied afterwards."
  type        = string
  default     = "caudal"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) >= 3 && length(var.name) <= 20
    error_message = "name is 3 to 20 of a-z, 0-9 and single hyphens, and begins with a letter."
  }
}

variable "account_id" {
  description = "The number of the AWS account."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id is twelve digits: aws sts get-caller-identity --query Account."
  }
}

variable "region" {
  description = "Where the state is."
  type        = string
  default     = "eu-central-1"
}

variable "repository" {
  description = "The repository on GitHub whose pipeline deploys: OWNER/NAME."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "repository is OWNER/NAME, without a wildcard: whoever it names may take the roles."
  }
}

variable "environment" {
  description = "The protected environment of that repository in which deployments are approved."
  type        = string
  default     = "production"
}

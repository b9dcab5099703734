variable "name" {
  description = "The role's name."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9+=,.@_-]{1,64}$", var.name))
    error_message = "A role's name is 1 to 64 of letters, digits and +=,.@_-."
  }
}

variable "cluster_name" {
  description = "The EKS cluster."
  type        = string
}

variable "namespace" {
  description = "The pods' namespace."
  type        = string
}

variable "service_account" {
  description = "The pods' service account."
  type        = string
}

variable "policies" {
  description = "What the pods may do: policies in JSON, by name."
  type        = map(string)
  default     = {}
}

variable "managed_policy" {
  description = "The ARN of a policy that AWS keeps, for what is AWS's own; null for none."
  type        = string
  default     = null
}

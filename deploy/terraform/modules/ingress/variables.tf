variable "name" {
  description = "The load balancer's name."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9-]{0,30}[a-zA-Z0-9]$", var.name)) && !startswith(var.name, "internal-")
    error_message = "A load balancer's name is 2 to 32 of letters, digits and -, and does not begin with internal-."
  }
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, in two zones at least."
  type        = list(string)
}

variable "pod_security_group_id" {
  description = "The security group of the pods."
  type        = string
}

variable "viewer_port" {
  description = "The port of a pod for viewers: caudal's server.listen, or that of the mesh's gateway before it."
  type        = number
  default     = 8080
}

variable "health" {
  description = "What a pod is asked to see whether it is ready: caudal's admin.listen, or the gateway's."
  type        = object({ port = number, path = string })
  default     = { port = 9180, path = "/readyz" }

  validation {
    condition     = startswith(var.health.path, "/")
    error_message = "health.path begins with a slash: /readyz."
  }
}

variable "certificate_arn" {
  description = "A certificate of ACM in this region for TLS from CloudFront; null speaks HTTP inside the VPC."
  type        = string
  default     = null
}

variable "deregistration_delay" {
  description = "How long answers under way may take after a pod is taken out, in seconds."
  type        = number
  default     = 60

  validation {
    condition     = var.deregistration_delay >= 0 && var.deregistration_delay <= 3600
    error_message = "deregistration_delay is 0 to 3600 seconds."
  }
}

variable "log_bucket" {
  description = "The bucket of access logs."
  type        = string
}

variable "deletion_protection" {
  description = "Whether the load balancer refuses to be destroyed. Off for teardown only."
  type        = bool
  default     = true
}

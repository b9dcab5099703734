variable "name" {
  description = "Put before the names of everything; the dashboard's name."
  type        = string
}

variable "emails" {
  description = "Who is told. Each gets a letter first, and has to say yes."
  type        = set(string)

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "emails are addresses: ops@example.com."
  }
}

variable "kms_key_arn" {
  description = "The key of this region's topic and log groups. cloudwatch.amazonaws.com must be one of its services."
  type        = string
}

variable "edge_key_arn" {
  description = "The key of the topic in us-east-1, likewise."
  type        = string
}

variable "distribution_id" {
  description = "The CloudFront distribution."
  type        = string
}

variable "function_name" {
  description = "The edge function; null where there is none."
  type        = string
  default     = null
}

variable "web_acl_name" {
  description = "The WAF."
  type        = string
}

variable "load_balancer" {
  description = "How CloudWatch names the load balancer and its target group."
  type        = object({ LoadBalancer = string, TargetGroup = string })
}

variable "transcode" {
  description = "The function that makes titles, and its dead-letter queue; null where there is none."
  type        = object({ function_name = string, dead_letter_queue = string })
  default     = null
}

variable "database" {
  description = "The database's identifier; null where there is none."
  type        = string
  default     = null
}

variable "session_nodes" {
  description = "The ids of Redis's nodes; none where there is no Redis."
  type        = list(string)
  default     = []
}

variable "least_hit_ratio" {
  description = "The share of requests, in percent, that the edge should answer by itself."
  type        = number
  default     = 80

  validation {
    condition     = var.least_hit_ratio > 0 && var.least_hit_ratio < 100
    error_message = "least_hit_ratio is between 0 and 100 percent."
  }
}

variable "log_retention_days" {
  description = "How long logs of the cluster are kept, in days."
  type        = number
}

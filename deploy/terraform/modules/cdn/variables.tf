variable "name" {
  description = "Put before the names of everything; the distribution's comment."
  type        = string
}

variable "origin" {
  description = "The internal load balancer, the name it is asked by, and whether over TLS: then its certificate has that name."
  type = object({
    load_balancer_arn = string
    domain_name       = string
    https             = optional(bool, false)
  })
}

variable "origin_lock" {
  description = "The secret by which caudal knows this distribution."
  type        = string
  sensitive   = true
}

variable "origin_lock_header" {
  description = "The header that carries it: caudal's origin_lock_header."
  type        = string
  default     = "x-origin-verify"

  validation {
    # CloudFront refuses these as custom headers.
    condition     = can(regex("^[a-z0-9-]{1,256}$", var.origin_lock_header)) && !can(regex("^(x-amz-|x-edge-)", var.origin_lock_header))
    error_message = "origin_lock_header is of a-z, 0-9 and -, and does not begin with x-amz- or x-edge-."
  }
}

variable "origin_shield_region" {
  description = "The region whose cache all edges ask: the origin's, or the nearest that has one. null for none."
  type        = string
  default     = null
}

variable "require_tokens" {
  description = "Whether the edge asks for a token. false is for titles that everybody may see."
  type        = bool
  default     = true
}

variable "function_code" {
  description = "The edge function, deploy/cloudfront/dist/viewer-request.js."
  type        = string

  validation {
    condition     = length(var.function_code) <= 10240
    error_message = "CloudFront takes functions of up to 10,240 bytes: use the one in dist/, which has no comments."
  }
}

variable "viewer_keys" {
  description = "Key id to secret: what tokens are verified with."
  type        = map(string)
  sensitive   = true
}

variable "signed_urls" {
  description = "Path patterns that ask for CloudFront's signed URLs or cookies, and the public keys (PEM) of who signs, by name."
  type = object({
    paths       = optional(list(string), [])
    public_keys = optional(map(string), {})
  })
  default = {}

  validation {
    condition     = alltrue([for key in values(var.signed_urls.public_keys) : startswith(key, "-----BEGIN PUBLIC KEY-----")])
    error_message = "signed_urls.public_keys are PEM that begins with -----BEGIN PUBLIC KEY-----: RSA of 2048 bits, or ECDSA P-256."
  }

  validation {
    condition     = alltrue([for path in var.signed_urls.paths : startswith(path, "/")])
    error_message = "signed_urls.paths begin with a slash: /premium/*."
  }
}

variable "vary_by_country" {
  description = "Whether caudal decides by country (geo or rights of its policy): then each country has its own cached answers."
  type        = bool
  default     = false
}

variable "cors_origins" {
  description = "Sites whose players may read answers: [\"*\"], or origins such as https://watch.example.com."
  type        = list(string)
  default     = ["*"]

  validation {
    condition     = length(var.cors_origins) > 0 && alltrue([for origin in var.cors_origins : origin == "*" || can(regex("^https?://[^/]+$", origin))])
    error_message = "cors_origins are [\"*\"], or scheme and host without a path: https://watch.example.com."
  }
}

variable "geo" {
  description = "Countries (ISO 3166-1, DE) that alone may watch (whitelist) or may not (blacklist). CloudFront lets viewers pass whose country nobody knows."
  type = object({
    type      = optional(string, "none")
    countries = optional(list(string), [])
  })
  default = {}

  validation {
    condition     = contains(["none", "whitelist", "blacklist"], var.geo.type) && (var.geo.type == "none") == (length(var.geo.countries) == 0)
    error_message = "geo.type is whitelist or blacklist with geo.countries, or none without."
  }

  validation {
    condition     = alltrue([for country in var.geo.countries : can(regex("^[A-Z]{2}$", country))])
    error_message = "geo.countries are two capital letters each: DE, FR."
  }
}

variable "aliases" {
  description = "Names of your own for the distribution, such as media.example.com. Their DNS is yours to set."
  type        = list(string)
  default     = []
}

variable "certificate_arn" {
  description = "A certificate of ACM in us-east-1 with the aliases' names; null uses CloudFront's own name and certificate."
  type        = string
  default     = null

  validation {
    condition     = var.certificate_arn == null || can(regex("^arn:aws:acm:us-east-1:", var.certificate_arn))
    error_message = "certificate_arn is of ACM in us-east-1: CloudFront takes no other."
  }
}

variable "price_class" {
  description = "Where CloudFront serves from: PriceClass_100 (Europe and North America), PriceClass_200, PriceClass_All."
  type        = string
  default     = "PriceClass_100"

  validation {
    condition     = contains(["PriceClass_100", "PriceClass_200", "PriceClass_All"], var.price_class)
    error_message = "price_class is PriceClass_100, PriceClass_200 or PriceClass_All."
  }
}

variable "requests_per_5_minutes" {
  description = "What one address may ask for in five minutes."
  type        = number
  default     = 20000

  validation {
    condition     = var.requests_per_5_minutes >= 1000 && var.requests_per_5_minutes <= 2000000000
    error_message = "requests_per_5_minutes is 1000 at least: two players that seek come near that."
  }
}

variable "log_sampling" {
  description = "How many of a hundred requests are written down."
  type        = number
  default     = 100

  validation {
    condition     = var.log_sampling >= 1 && var.log_sampling <= 100
    error_message = "log_sampling is 1 to 100."
  }
}

variable "log_retention_days" {
  description = "How long what is written down is kept, in days."
  type        = number
}

variable "force_destroy" {
  description = "Whether the bucket of logs can be destroyed with logs in it. For teardown only."
  type        = bool
  default     = false
}

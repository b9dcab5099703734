variable "name" {
  description = "Put before the names of everything, so that two can live in one account."
  type        = string
  default     = "caudal"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) >= 3 && length(var.name) <= 20
    error_message = "name is 3 to 20 of a-z, 0-9 and single hyphens, and begins with a letter: the names of roles and buckets grow from it."
  }
}

variable "account_id" {
  description = "The number of the AWS account that all this is for."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id is twelve digits: aws sts get-caller-identity --query Account."
  }
}

variable "region" {
  description = "Where caudal and the titles are."
  type        = string
  default     = "eu-central-1"

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.region))
    error_message = "region is a region of AWS, such as eu-central-1."
  }
}

variable "replica_region" {
  description = "Where the copy of the titles is: another region."
  type        = string
  default     = "eu-west-1"

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.replica_region))
    error_message = "replica_region is a region of AWS other than region, such as eu-west-1."
  }
}

variable "cidr" {
  description = "The VPC's network, /16 to /18, that overlaps with nothing you want to peer with."
  type        = string
  default     = "10.40.0.0/16"
}

variable "zones" {
  description = "The availability zones, by their letters; two at least. Which there are: aws ec2 describe-availability-zones."
  type        = list(string)
  default     = ["a", "b", "c"]

  validation {
    condition     = alltrue([for letter in var.zones : can(regex("^[a-z]$", letter))])
    error_message = "zones are letters, [\"a\", \"b\"]: the region's name is put before them."
  }
}

variable "nat_per_zone" {
  description = "Whether each zone has its own NAT gateway; one for all costs a third of three."
  type        = bool
  default     = true
}

variable "admin_role_arns" {
  description = "IAM roles that administer the cluster: yours, and the pipeline's."
  type        = set(string)
}

variable "api_cidrs" {
  description = "Networks that reach the Kubernetes API over the internet; none for the VPC alone."
  type        = list(string)
  default     = []
}

variable "node_types" {
  description = "Instance types of the nodes, of one architecture."
  type        = list(string)
  default     = ["c7gn.xlarge"]
}

variable "node_image" {
  description = "The nodes' image, of the same architecture."
  type        = string
  default     = "AL2023_ARM_64_STANDARD"
}

variable "node_count" {
  description = "How few and how many nodes there are. In the mesh a node has one pod of caudal: deploy/kubernetes/README.md has the arithmetic."
  type        = object({ min = number, max = number })
  default     = { min = 4, max = 24 }
}

variable "mesh" {
  description = "Whether the load balancer leads to the mesh's gateway, as in the overlay production, or to caudal's pods."
  type        = bool
  default     = true
}

variable "caudal_tag" {
  description = "The tag of the image in the registry's caudal repository that the cluster is to run."
  type        = string
  default     = "0.1.0"
}

variable "archive_after_days" {
  description = "After how many days what is under archive/, or has the tag archive=true, goes to Glacier."
  type        = number
  default     = 30
}

variable "log_retention_days" {
  description = "How long logs are kept, in days; CloudWatch takes certain numbers alone. They hold viewers' addresses."
  type        = number
  default     = 365

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days is one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731."
  }
}

variable "origin_lock_active" {
  description = "The slot of the origin lock that CloudFront sends, \"a\" or \"b\": see modules/secrets for how to rotate."
  type        = string
  default     = "a"
}

variable "viewer_key_ids" {
  description = "Ids of the keys that viewers' tokens may be signed with; several while one replaces another."
  type        = set(string)
  default     = ["k1"]
}

variable "require_tokens" {
  description = "Whether viewers need a token; false for titles that everybody may see."
  type        = bool
  default     = true
}

variable "signed_urls" {
  description = "Path patterns that ask for CloudFront's signed URLs instead, and the public keys of who signs, by name."
  type = object({
    paths       = optional(list(string), [])
    public_keys = optional(map(string), {})
  })
  default = {}
}

variable "origin_tls" {
  description = "TLS between CloudFront and the load balancer: a certificate of ACM in region, and the name in it. null speaks HTTP inside the VPC."
  type        = object({ certificate_arn = string, domain_name = string })
  default     = null
}

variable "origin_shield_region" {
  description = "The region whose cache all edges ask; null for none."
  type        = string
  default     = "eu-central-1"
}

variable "vary_by_country" {
  description = "Whether caudal decides by country, so that each country needs cached answers of its own."
  type        = bool
  default     = false
}

variable "cors_origins" {
  description = "Sites whose players may read answers."
  type        = list(string)
  default     = ["*"]
}

variable "geo" {
  description = "Countries that alone may watch (whitelist) or may not (blacklist)."
  type = object({
    type      = optional(string, "none")
    countries = optional(list(string), [])
  })
  default = {}
}

variable "aliases" {
  description = "Names of your own for the distribution; their DNS is yours to set."
  type        = list(string)
  default     = []
}

variable "certificate_arn" {
  description = "A certificate of ACM in us-east-1 with the aliases' names; null uses CloudFront's own."
  type        = string
  default     = null
}

variable "price_class" {
  description = "Where CloudFront serves from."
  type        = string
  default     = "PriceClass_100"
}

variable "log_sampling" {
  description = "How many of a hundred requests are written to the request log."
  type        = number
  default     = 100
}

variable "database" {
  description = "Whether there is PostgreSQL."
  type        = bool
  default     = false
}

variable "sessions" {
  description = "Whether there is Redis."
  type        = bool
  default     = false
}

variable "transcode_tag" {
  description = "The tag of the image in the registry's transcode repository; null until there is one."
  type        = string
  default     = null
}

variable "transcode_memory" {
  description = "The memory of the function that makes titles, in MB: 10240, or 3008 where the account is new and its quota was not raised."
  type        = number
  default     = 10240
}

variable "alarm_emails" {
  description = "Who is told of alarms."
  type        = set(string)
  default     = []
}

variable "teardown" {
  description = "Lets everything be destroyed: buckets with what is in them, images, secrets at once. Apply it, then destroy."
  type        = bool
  default     = false
}

variable "name" {
  description = "Put before the names of everything."
  type        = string
}

variable "image_uri" {
  description = "The function's image in ECR, of this region: REPOSITORY:TAG or REPOSITORY@DIGEST."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com/.+(:|@).+", var.image_uri))
    error_message = "image_uri is an image in ECR with its tag or digest: Lambda takes no other."
  }
}

variable "architecture" {
  description = "What the image was built for: x86_64 or arm64."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture is x86_64 or arm64."
  }
}

variable "media_bucket" {
  description = "The bucket that titles are written to."
  type        = string
}

variable "media_bucket_arn" {
  description = "Its ARN."
  type        = string
}

variable "media_key_arn" {
  description = "The key it is encrypted with."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that uploads, queues, logs and the function's environment are encrypted with. S3 must be one of its services."
  type        = string
}

variable "log_bucket" {
  description = "The bucket that gets the access log of the uploads."
  type        = string
}

variable "memory_size" {
  description = "The function's memory, in MB; processors come with it, six with 10240. A new account has 3008 at most until its quota is raised."
  type        = number
  default     = 10240

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240
    error_message = "memory_size is 128 to 10240, which is what Lambda has."
  }
}

variable "concurrency" {
  description = "How many uploads are packaged at a time."
  type        = number
  default     = 4

  validation {
    condition     = var.concurrency >= 2
    error_message = "concurrency is 2 at least, which is the least that a queue takes."
  }
}

variable "max_seconds" {
  description = "The longest upload, in seconds of play. The function ends after 15 minutes of work; what is longer runs from the same image as a job."
  type        = number
  default     = 1200

  validation {
    condition     = var.max_seconds >= 1
    error_message = "max_seconds is 1 at least."
  }
}

variable "max_height" {
  description = "The highest rendition, in lines."
  type        = number
  default     = 1080

  validation {
    condition     = contains([360, 480, 720, 1080, 1440, 2160], var.max_height)
    error_message = "max_height is 360, 480, 720, 1080, 1440 or 2160."
  }
}

variable "keep_uploads_days" {
  description = "How long uploads are kept after they came, in days."
  type        = number
  default     = 30

  validation {
    condition     = var.keep_uploads_days >= 1
    error_message = "keep_uploads_days is 1 at least: an upload has to be there when it is packaged."
  }
}

variable "log_retention_days" {
  description = "How long the function's log is kept, in days."
  type        = number
}

variable "force_destroy" {
  description = "Whether the bucket can be destroyed with uploads in it. For teardown only."
  type        = bool
  default     = false
}

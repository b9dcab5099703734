variable "name" {
  description = "Put before the repositories' names: NAME/REPOSITORY."
  type        = string
}

variable "repositories" {
  description = "The repositories, one an image."
  type        = set(string)

  validation {
    condition     = alltrue([for repository in var.repositories : can(regex("^[a-z0-9][a-z0-9._/-]*$", repository))])
    error_message = "A repository's name is of a-z, 0-9, ., _, / and -."
  }
}

variable "keep" {
  description = "How many images a repository keeps."
  type        = number
  default     = 30

  validation {
    condition     = var.keep >= 2
    error_message = "keep is 2 at least: the image that runs, and the one to go back to."
  }
}

variable "kms_key_arn" {
  description = "The key that images are encrypted with."
  type        = string
}

variable "force_delete" {
  description = "Whether a repository can be destroyed with images in it. For teardown only."
  type        = bool
  default     = false
}

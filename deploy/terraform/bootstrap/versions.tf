terraform {
  # State is locked by an object beside it, without a table of DynamoDB: that came with 1.10.
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = { project = var.name, managed-by = "terraform" }
  }
}

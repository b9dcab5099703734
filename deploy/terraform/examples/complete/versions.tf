terraform {
  required_version = ">= 1.5"

  # Where the state is, is said at `terraform init -backend-config=backend.hcl`: ../../bootstrap prints that file.
  backend "s3" {}

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # The release that deploy/check/terraform plans with. The modules take 6 as well: their arguments are held to its schema.
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = var.region

  # Refuses to touch an account that the state does not belong to.
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = local.tags
  }
}

# CloudFront's own region: its WAF, logs and alarms are nowhere else.
provider "aws" {
  alias               = "us_east_1"
  region              = "us-east-1"
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = local.tags
  }
}

# Where the copy of the titles is.
provider "aws" {
  alias               = "replica"
  region              = var.replica_region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = local.tags
  }
}

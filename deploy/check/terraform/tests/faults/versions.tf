terraform { # fault: the provider aws.far is asked for and never used # fault: terraform: required_version is to be ">= 1.5" or later
  required_version = ">= 1.3"

  required_providers {
    aws = { # fault: terraform: the provider aws is not pinned: its version has no end
      source                = "hashicorp/aws"
      version               = ">= 5.100"
      configuration_aliases = [aws.far]
    }
    random = { # fault: terraform: the provider random has no source
      version = "~> 3.6"
    }
  }
}

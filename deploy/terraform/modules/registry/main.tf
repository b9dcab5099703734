# Where images are kept: scanned when pushed, never overwritten under their tag, and not kept for ever.

resource "aws_ecr_repository" "this" {
  for_each = var.repositories

  name = "${var.name}/${each.key}"
  # What was tested is what runs: a tag means one image for as long as it is there.
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_delete

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = var.kms_key_arn
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each = aws_ecr_repository.this

  repository = each.value.name

  # The second rule counts tagged images alone: a release leaves an index under its tag and, without one, an image and an
  # attestation for each platform, which would use up the number five times as fast.
  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "images without a tag, which a build of several platforms leaves behind"
        selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 7 }
        action       = { type = "expire" }
      },
      {
        rulePriority = 2
        description  = "all but the newest, so that there is always something to go back to"
        selection    = { tagStatus = "tagged", tagPatternList = ["*"], countType = "imageCountMoreThan", countNumber = var.keep }
        action       = { type = "expire" }
      },
    ]
  })
}

# A secret that nobody has to invent: 64 random letters and digits, more than 380 bits, made once and kept.
#
# Letters and digits alone, since the same bytes go into HTTP headers, URLs of Redis and the edge's key store.

data "aws_secretsmanager_random_password" "value" {
  password_length            = 64
  exclude_punctuation        = true
  require_each_included_type = true
}

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57:a clock that rotates would cut viewers off, as both sides must know the new value first; modules/secrets says how

  name                    = var.name
  description             = var.description
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_days
}

resource "aws_secretsmanager_secret_version" "this" {
  secret_id     = aws_secretsmanager_secret.this.id
  secret_string = data.aws_secretsmanager_random_password.value.random_password

  lifecycle {
    # Every plan draws another password; the first is kept. To rotate: terraform apply -replace=ADDRESS of this version.
    ignore_changes = [secret_string]
  }
}

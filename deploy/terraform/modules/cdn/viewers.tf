# Who may watch: tokens, which the edge function checks before the cache is looked into, or CloudFront's signed URLs.

resource "aws_cloudfront_key_value_store" "keys" {
  count = var.require_tokens ? 1 : 0

  name    = "${var.name}-keys"
  comment = "What viewers' tokens are verified with"
}

# The whole store: a key that is no longer listed is gone, and with it the tokens it signed.
resource "aws_cloudfrontkeyvaluestore_keys_exclusive" "keys" {
  count = var.require_tokens ? 1 : 0

  key_value_store_arn = aws_cloudfront_key_value_store.keys[0].arn

  dynamic "resource_key_value_pair" {
    # The ids are no secret, only what they lead to.
    for_each = nonsensitive(toset(keys(var.viewer_keys)))

    content {
      key   = "jwt/${resource_key_value_pair.value}"
      value = "base64:${base64encode(var.viewer_keys[resource_key_value_pair.value])}"
    }
  }
}

resource "aws_cloudfront_function" "viewer_request" {
  count = var.require_tokens ? 1 : 0

  name                         = "${var.name}-viewer-request"
  comment                      = "Access tokens at the edge"
  runtime                      = "cloudfront-js-2.0"
  code                         = var.function_code
  key_value_store_associations = [aws_cloudfront_key_value_store.keys[0].arn]
}

resource "aws_cloudfront_public_key" "viewers" {
  for_each = var.signed_urls.public_keys

  name        = "${var.name}-${each.key}"
  comment     = "Verifies signed URLs"
  encoded_key = each.value

  lifecycle {
    # A key that is in the group cannot be deleted: the new one has to be there first.
    create_before_destroy = true
  }
}

resource "aws_cloudfront_key_group" "viewers" {
  count = length(var.signed_urls.public_keys) > 0 ? 1 : 0

  name    = "${var.name}-viewers"
  comment = "Who may sign URLs"
  items   = [for key in aws_cloudfront_public_key.viewers : key.id]
}

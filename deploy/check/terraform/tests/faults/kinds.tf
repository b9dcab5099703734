resource "aws_s3_bukket" "a" {} # fault: aws_s3_bukket.a: the provider has no resource aws_s3_bukket

data "aws_s3_bukket" "a" {} # fault: data.aws_s3_bukket.a: the provider has no data source aws_s3_bukket # fault: data.aws_s3_bukket.a is declared and never used

resourc "aws_s3_bucket" "a" {} # fault: resourc is no block that belongs here

resource "random_password" "a" {} # fault: random_password.a: the provider has no resource random_password

provider "aws" {
  regoin = "eu-central-1" # fault: provider.aws: no argument regoin: did you mean region?
}

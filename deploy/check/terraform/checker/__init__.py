"""Reads Terraform without Terraform, and tells what is wrong with it.

`reader` makes modules of files, `expressions` finds what an expression refers to, `schema` knows what the AWS provider
takes and tells. On these stand three sets of rules: `shapes` (blocks and arguments), `names` (what refers to what) and
`policies` (actions of IAM). A fault is a line of text: file, line, what is wrong.
"""

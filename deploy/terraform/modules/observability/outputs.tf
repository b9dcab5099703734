output "topics" {
  description = "The topics that alarms go to: for a pager, beside the e-mails."
  value = {
    region = aws_sns_topic.alarms.arn
    edge   = aws_sns_topic.edge.arn
  }
}

output "agent_policy" {
  description = "What an agent in the cluster may write, as a policy in JSON."
  value       = data.aws_iam_policy_document.agent.json
}

output "log_groups" {
  description = "Where it writes to: access and metrics."
  value       = { for kind, group in aws_cloudwatch_log_group.cluster : kind => group.name }
}

// The end of a run in a screenful: what was asked for, every threshold with what it was held to, every broken check.

export function summary({ metrics, root_group: root, state }) {
  const count = (name) => metrics[name]?.values.count ?? 0;
  const seconds = state.testRunDurationMs / 1000;
  const lines = [
    `${count("http_reqs")} requests in ${seconds.toFixed(1)} s, ${metrics.vus_max?.values.max ?? 0} viewers at most, ` +
      `${(count("data_received") / 1e6).toFixed(0)} MB received`,
  ];
  for (const name of Object.keys(metrics).sort()) {
    const { thresholds = {}, values, contains } = metrics[name];
    for (const [rule, { ok }] of Object.entries(thresholds)) {
      lines.push(`${ok ? "held  " : "BROKEN"}  ${name} ${rule}: ${measured(rule, values, contains)}`);
    }
  }
  for (const { name, passes, fails } of root.checks.filter(({ fails }) => fails > 0)) {
    lines.push(`FAILED  ${name}: ${fails} of ${passes + fails}`);
  }
  return `${lines.join("\n")}\n`;
}

/** What stands left of the rule's comparison. */
function measured(rule, values, contains) {
  const value = values[rule.split(/[<>=]/)[0].trim()];
  if (contains === "time") return `${value.toFixed(1)} ms`;
  return Number.isInteger(value) ? `${value}` : value.toFixed(5);
}

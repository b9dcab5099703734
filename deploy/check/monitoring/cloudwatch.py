"""The CloudWatch agent's configuration: shaped as the agent wants it, of metrics and labels that there are.

The agent itself is not to be had here. Its keys are those of AWS's documentation; it drops histograms, so none may be asked for.
"""

import json
import re

import yaml
from report import MONITORING, Report, none_of

CLOUDWATCH = MONITORING / "cloudwatch"
UNITS = {"Count", "Bytes", "Seconds", "None", "Percent"}


def emf() -> dict:
    config = json.loads((CLOUDWATCH / "amazon-cloudwatch-agent.json").read_text())
    return config["logs"]["metrics_collected"]["prometheus"]["emf_processor"]


def selected() -> dict[str, list[list[str]]]:
    """Metrics by name, and the sets of dimensions they are sent with."""
    return {
        selector.removeprefix("^").removesuffix("$"): declaration["dimensions"]
        for declaration in emf()["metric_declaration"]
        for selector in declaration["metric_selectors"]
    }


def check(report: Report) -> None:
    with report.check("the CloudWatch agent's declarations match the job it scrapes, each metric once and with a unit"):
        none_of(flaws())


def flaws() -> list[str]:
    processor, found = emf(), []
    jobs = [one["job_name"] for one in yaml.safe_load((CLOUDWATCH / "prometheus.yml").read_text())["scrape_configs"]]
    if processor["metric_namespace"] != "Caudal":
        found.append("alarms look into the namespace Caudal")
    for declaration in processor["metric_declaration"]:
        if declaration.keys() != {"source_labels", "label_matcher", "dimensions", "metric_selectors"}:
            found.append(f"keys {sorted(declaration)}")
        if not any(re.search(declaration["label_matcher"], job) for job in jobs):
            found.append(f"{declaration['label_matcher']} matches no job of {jobs}")
        found += [f"{one} is no whole name" for one in declaration["metric_selectors"] if not re.fullmatch(r"\^\w+\$", one)]
    names = [one for declaration in processor["metric_declaration"] for one in declaration["metric_selectors"]]
    found += [f"{name} is declared twice" for name in sorted({one for one in names if names.count(one) > 1})]
    units = processor["metric_unit"]
    found += [f"{name} has no unit" for name in selected() if units.get(name) not in UNITS]
    return found + [f"{name} has a unit and is not sent" for name in units.keys() - selected().keys()]


def check_names(report: Report, prometheus) -> None:
    """`prometheus` has looked at a loaded server."""
    with report.check(f"{len(selected())} metrics that CloudWatch gets exist, with the labels that are its dimensions"):
        none_of([flaw for name, dimensions in selected().items() for flaw in missing(prometheus, name, dimensions)])
    with report.check("none of them is a histogram, which the agent drops"):
        kinds = prometheus.metadata()
        none_of([f"{name} is a histogram" for name in selected() if kinds.get(name) == "histogram"])


def missing(prometheus, name: str, dimensions: list[list[str]]) -> list[str]:
    series = prometheus.now(f'{name}{{job="caudal"}}')
    if not series:
        return [f"{name}: no such metric"]
    labels = set(series[0]["metric"])
    return [f"{name} has no label {one}" for one in {label for group in dimensions for label in group} - labels]

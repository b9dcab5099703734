"""Alertmanager's configuration: accepted by amtool, and every alert goes where its severity says."""

import json
import re

import yaml
from report import MONITORING, Report, Wrong, ask, none_of
from rules import alerts

CONFIG = MONITORING / "alertmanager/alertmanager.yml"
RECEIVERS = {"page": "page", "ticket": "ticket", "none": "watchdog"}


def check(report: Report) -> None:
    with report.check("amtool accepts alertmanager.yml and its template"):
        ask("amtool", "check-config", CONFIG)
    for severity, receiver in RECEIVERS.items():
        names = [rule["alert"] for rule in alerts() if rule["labels"]["severity"] == severity]
        with report.check(f"{len(names)} alerts of severity {severity} go to the receiver {receiver}"):
            if not names:
                raise Wrong("there is no such alert")
            for name in names:
                to(receiver, f"alertname={name}", f"severity={severity}", "job=caudal")
    with report.check("an alert without a severity reaches somebody"):
        to("ticket", "alertname=SomebodyElses")
    with report.check("inhibition names alerts and labels that there are"):
        none_of(strangers())
    with report.check("no secret stands in it"):
        none_of(secrets(yaml.safe_load(CONFIG.read_text()), ""))


def to(receiver: str, *labels: str) -> None:
    """Wrong where the routes lead elsewhere."""
    ask("amtool", "config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={receiver}", *labels)


def strangers() -> list[str]:
    """Matchers of inhibition that no alert meets: a name that was changed on one side only."""
    names = [rule["alert"] for rule in alerts()]
    found = []
    for rule in yaml.safe_load(CONFIG.read_text())["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            asked = re.fullmatch(r'alertname=(~?)"(.+)"', matcher)
            if not asked:
                found.append(f"{matcher} matches no alertname")
                continue
            wanted = asked[2].split("|") if asked[1] else [re.escape(asked[2])]
            found += [f"{one}: no such alert" for one in wanted if not any(re.fullmatch(one, name) for name in names)]
    return found


def secrets(value, path: str) -> list[str]:
    """Keys that would hold a secret themselves, where one ending in _file belongs."""
    risky = {"routing_key", "service_key", "api_url", "slack_api_url", "credentials", "password", "bearer_token"}
    if isinstance(value, dict):
        own = [f"{path}.{key} is {json.dumps(value[key])[:20]}…: use {key}_file" for key in value if key in risky]
        return own + [problem for key, inner in value.items() for problem in secrets(inner, f"{path}.{key}")]
    if isinstance(value, list):
        return [problem for place, inner in enumerate(value) for problem in secrets(inner, f"{path}[{place}]")]
    return []

"""Prometheus's rules: well-formed, and each of them tested, firing and not.

That a test stands in a file proves nothing by itself. So all rules are broken on purpose, twice, and for each rule a test of
its own has to notice: alerts that never fire and records that are gone, then alerts that always fire and records that are
wrong. An alert is judged by its own expression then, whatever became of the records it asks.
"""

import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml
from report import MONITORING, Report, ask, none_of

PROMETHEUS = MONITORING / "prometheus"

# Always there, by design: nothing can show it silent.
ALWAYS = {"CaudalWatchdog"}


def every() -> list[dict]:
    """All rules of all files."""
    files = sorted((PROMETHEUS / "rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict]:
    return [rule for rule in every() if "alert" in rule]


def check(report: Report) -> None:
    tests = sorted((PROMETHEUS / "tests").glob("*.yml"))
    with report.check("promtool accepts prometheus.yml and the rules"):
        ask("promtool", "check", "config", PROMETHEUS / "prometheus.yml")
        ask("promtool", "check", "rules", "--lint=all", "--lint-fatal", *(PROMETHEUS / "rules").glob("*.yml"))
    with report.check(f"the rules do what {len(tests)} files of tests say"):
        failed = [said for code, said in tested(PROMETHEUS) if code != 0]
        none_of([" | ".join(line.strip() for line in said.splitlines() if line.strip())[:600] for said in failed])
    with report.check("every alert has a severity, words for people, and a name of ours"):
        none_of([problem for rule in alerts() for problem in flaws(rule)])
    names = {rule["alert"] for rule in alerts()}
    records = {rule["record"] for rule in every() if "record" in rule}
    with report.check(f"tests notice where one of {len(names)} alerts never fires, or one of {len(records)} records is gone"):
        said = broken_by(lambda rule: rule | {"expr": "vector(1) > 1"})
        unnoticed(names | records, said)
    with report.check(f"tests notice where one of {len(names - ALWAYS)} alerts fires for nothing, or a record is off by one"):
        said = broken_by(lambda rule: rule | ({"expr": "vector(1)", "for": "0s"} if "alert" in rule else off_by_one(rule)))
        unnoticed((names - ALWAYS) | records, said)


def off_by_one(rule: dict) -> dict:
    return {"expr": f"1 + ({rule['expr']})"}


def flaws(rule: dict) -> list[str]:
    """What an alert lacks that whoever is called needs."""
    name = rule["alert"]
    found = [f"{name} has no {word}" for word in ("summary", "description", "runbook_url") if word not in rule["annotations"]]
    if rule["labels"].get("severity") not in ("page", "ticket", "none"):
        found.append(f"{name} has no severity of page, ticket, none")
    if not re.fullmatch(r"Caudal([A-Z][a-z]+)+", name):
        found.append(f"{name} is no name like CaudalStorageFails")
    return found


def broken_by(change) -> str:
    """What promtool says of the tests when every rule is changed."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "prometheus"
        shutil.copytree(PROMETHEUS, copy)
        for file in (copy / "rules").glob("*.yml"):
            parsed = yaml.safe_load(file.read_text())
            for group in parsed["groups"]:
                group["rules"] = [change(rule) for rule in group["rules"]]
            file.write_text(yaml.safe_dump(parsed))
        return "".join(said for _, said in tested(copy))


def tested(prometheus: Path) -> list[tuple[int, str]]:
    """What promtool says of each file of tests: its exit code, and its words."""

    def one(file: Path) -> tuple[int, str]:
        done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(one, sorted((prometheus / "tests").glob("*.yml"))))


def unnoticed(names: set[str], said: str) -> None:
    """Wrong where no test of one of `names` failed: promtool names the alert, or the expression, of those that did."""
    noticed = set(re.findall(r"alertname: (\w+)", said)) | set(re.findall(r'expr: "([\w:]+)"', said))
    none_of([f"{name} is broken and no test of it fails" for name in sorted(names - noticed)])

"""Runbooks: one for every alert, none for anything else, each with what one needs at three in the morning."""

import re
from collections import Counter

import rules
from report import ROOT, Report, Wrong, none_of

RUNBOOKS = ROOT / "docs/runbooks"
PARTS = ["## What it means", "## Look at", "## Do"]
LONGEST = 45  # lines: one screen and a half


def check(report: Report) -> None:
    named = {rule["alert"]: rule["annotations"]["runbook_url"] for rule in rules.alerts()}
    with report.check(f"the runbook_url of each of {len(named)} alerts is a file of its own"):
        none_of([f"{alert}: {url} is no file" for alert, url in named.items() if not resolves(url, alert)])
    with report.check("no runbook is left without its alert"):
        pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"}
        none_of([f"{page}.md: no alert has that name" for page in sorted(pages - named.keys())])
    with report.check(f"each says {', '.join(part[3:] for part in PARTS)}, in at most {LONGEST} lines"):
        none_of([problem for alert in named for problem in flaws(alert)])
    with report.check("the index lists every alert once, and where it stands"):
        index = (RUNBOOKS / "README.md").read_text()
        listed = Counter(re.findall(r"\]\((\w+)\.md\)", index))
        none_of([f"{alert} is listed {listed[alert]} times" for alert in named if listed[alert] != 1])


def resolves(url: str, alert: str) -> bool:
    """Whether it ends with the path of the alert's own page in this repository."""
    _, _, path = url.partition("/blob/main/")
    return path == f"docs/runbooks/{alert}.md" and (ROOT / path).is_file()


def flaws(alert: str) -> list[str]:
    page = RUNBOOKS / f"{alert}.md"
    if not page.is_file():
        raise Wrong(f"{page} is missing")
    lines = page.read_text().splitlines()
    found = [f"{page.name} has no “{part}”" for part in PARTS if part not in lines]
    if lines[:1] != [f"# {alert}"]:
        found.append(f"{page.name} does not begin with its name")
    if len(lines) > LONGEST:
        found.append(f"{page.name} has {len(lines)} lines")
    return found

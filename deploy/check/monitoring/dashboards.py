"""Grafana's dashboards as they lie there. That their queries return something is at_work.py's."""

import json
import re
import sys
import tempfile
from pathlib import Path

from report import HERE, MONITORING, ROOT, TOOLS, Report, Wrong, ask, none_of

GRAFANA = MONITORING / "grafana"


def every() -> dict[str, dict]:
    return {file.name: json.loads(file.read_text()) for file in sorted((GRAFANA / "dashboards").glob("*.json"))}


def check(report: Report) -> None:
    files = sorted((GRAFANA / "dashboards").glob("*.json"))
    with report.check("the dashboards are what their source makes"):
        ask(sys.executable, "-B", GRAFANA / "source", "--check")
    with report.check(f"{len(files)} dashboards are of the types that Grafana 11 has for them"):
        ask("node", HERE / "types.mjs", TOOLS / "node/node_modules", *files)
    with report.check("Grafana's types refuse a panel with an option that there is not"):
        refused(files[0])
    with report.check("every panel has a title, a description and a place of its own; ids do not repeat"):
        none_of([f"{name}: {problem}" for name, one in every().items() for problem in flaws(one)])
    with report.check("every runbook that a panel links to exists"):
        linked = re.findall(r"/blob/main/(docs/runbooks/\w+\.md)", "".join(file.read_text() for file in files))
        none_of([f"{path} is no file" for path in sorted(set(linked)) if not (ROOT / path).is_file()])


def refused(file: Path) -> None:
    """Wrong where the judge lets a broken dashboard pass."""
    broken = json.loads(file.read_text())
    broken["panels"][0]["options"]["graphMood"] = "area"
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / file.name
        copy.write_text(json.dumps(broken, indent=2))
        try:
            ask("node", HERE / "types.mjs", TOOLS / "node/node_modules", copy)
        except Wrong as why:
            if "graphMood" not in str(why):
                raise
        else:
            raise Wrong("options.graphMood passes")


def flaws(dashboard: dict) -> list[str]:
    found, ids, taken = [], set(), set()
    for panel in dashboard["panels"]:
        name = panel["title"]
        if not panel["description"].endswith("."):
            found.append(f"{name} has no description that is a sentence")
        if panel["id"] in ids:
            found.append(f"{name} has an id of another")
        ids.add(panel["id"])
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        if cells & taken or place["x"] + place["w"] > 24:
            found.append(f"{name} lies over another, or past the edge")
        taken |= cells
    return found

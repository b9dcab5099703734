"""Writes the dashboards: python3 deploy/monitoring/grafana/source

A dashboard as Grafana stores it is two thousand lines of JSON, nine in ten of which repeat how a panel looks. Nobody reviews
that. Here a panel is what it asks and what its figures mean; the rest is said once, in panels.py. The JSON is committed too,
for Grafana reads nothing else, and a check holds the two together.
"""

import json
import sys
from pathlib import Path

import cache
import nodes
import overview
import qoe
import storage

DASHBOARDS = Path(__file__).parent.parent / "dashboards"


def texts() -> dict[str, str]:
    """File names, and what is to stand in them."""
    made = (part.dashboard() for part in (overview, cache, storage, qoe, nodes))
    return {f"{one['uid']}.json": json.dumps(one, indent=2, ensure_ascii=False) + "\n" for one in made}


def main() -> None:
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(f"usage: {sys.argv[0]} [--check]")
    for name, text in texts().items():
        path = DASHBOARDS / name
        if sys.argv[1:] == ["--check"]:
            if not path.exists() or path.read_text() != text:
                sys.exit(f"{path} is not what its source makes: run python3 deploy/monitoring/grafana/source")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)


if __name__ == "__main__":
    main()

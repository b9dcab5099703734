#!/usr/bin/env python3
"""Fills in the files of config/ for docker-compose.yml, whose containers know each other by name: deploy/compose/.

compose.py            says where they are not what config/ makes of them; ends with 1 then
compose.py --write    writes them
"""

from __future__ import annotations

import sys
from pathlib import Path

from config import filled

FOLDER = Path(__file__).resolve().parents[1] / "compose"
WORDS = {
    "store": "store:5000",
    "caudal": "caudal:8080",
    "caudal_listen": "0.0.0.0:8080",
    "admin": "caudal:9180",
    "admin_listen": "0.0.0.0:9180",
    "cdn_listen": "80",
    "prometheus": "localhost:9090",
    "alertmanager": "alertmanager:9093",
    # Of the network in docker-compose.yml.
    "network": "172.30.80.0/24",
    "folder": "/var/cache/nginx",
    "rules": "/etc/prometheus/rules",
    "interval": "5s",
    "user": "nginx nginx",
    # nginx's image puts the variable in when it starts: the secret is in no file here.
    "origin_lock": "${ORIGIN_LOCK}",
}
# What each file is called there.
FILES = {"caudal.toml": "caudal.toml", "nginx.conf": "nginx.conf.template", "prometheus.yml": "prometheus.yml"}


def wanted() -> dict[Path, str]:
    """Each file, and what should stand in it."""
    head = "# Made by deploy/platform/compose.py of deploy/platform/config; change it there.\n"
    return {FOLDER / there: head + filled(here, WORDS) for here, there in FILES.items()}


def main() -> int:
    """Writes or compares."""
    stale = {path: text for path, text in wanted().items() if not path.exists() or path.read_text() != text}
    for path, text in stale.items():
        if "--write" in sys.argv[1:]:
            path.write_text(text)
        else:
            print(f"{path} is not what deploy/platform/config makes of it: run deploy/platform/compose.py --write")
    return int(bool(stale) and "--write" not in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())

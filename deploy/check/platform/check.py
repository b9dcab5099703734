"""Proves the local platform: its files by the tools that read them, itself by running it. Run by `run`, beside this.

check.py [--rules FOLDER]       Prometheus rules (deploy/monitoring/prometheus/rules)
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "deploy/platform"), str(Path(__file__).parent)]

import load  # noqa: E402
import yaml  # noqa: E402
from processes import Failed, caudal, free_ports  # noqa: E402
from stack import RULES  # noqa: E402
from tally import Tally, command  # noqa: E402

BIN = Path(sys.executable).parent
UP = ROOT / "deploy/platform/up.py"
COMPOSE = ROOT / "deploy/compose"
RULE = ROOT / "deploy/transcode/pyproject.toml"
LIMIT = 200.0


def compose() -> dict[str, Any]:
    """The file as Compose understands it, and every file that it mounts is there."""
    # The plugin of a newer Docker, or Debian's program of before; both read the same file.
    said = command("docker-compose", "-f", ROOT / "docker-compose.yml", "config")
    found: dict[str, Any] = yaml.safe_load(said)
    for name, service in found["services"].items():
        image = service.get("image", "")
        assert re.fullmatch(r"[a-z0-9./-]+:[\w.-]+", image) and not image.endswith(":latest"), (
            f"{name}: {image} has no tag"
        )
        for volume in service.get("volumes", []):
            source = Path(volume.split(":")[0])
            if RULES not in (source, *source.parents):
                assert source.exists(), f"{name} mounts {source}, which is not there"
    pieces = {"store", "seed", "caudal", "cdn", "prometheus", "alertmanager"}
    assert set(found["services"]) == pieces, sorted(found["services"])
    return found


def one_network() -> None:
    """caudal believes the network that Compose makes, and no other."""
    (subnet,) = compose()["networks"]["default"]["ipam"]["config"]
    trusted = tomllib.loads((COMPOSE / "caudal.toml").read_text())["viewer"]["trusted_peers"]
    assert trusted == [subnet["subnet"]], (trusted, subnet)


def caudal_reads() -> None:
    """The configuration of the container."""
    env = {**os.environ, "ORIGIN_LOCK": "a-secret-for-the-check", "AWS_REGION": "us-east-1"}
    command(caudal(ROOT), "check", "--config", COMPOSE / "caudal.toml", env=env)


def nginx_reads() -> None:
    """The template of the container, with what the container has put in: names are 127.0.0.1, folders of our own."""
    with tempfile.TemporaryDirectory() as folder:
        text = (COMPOSE / "nginx.conf.template").read_text()
        assert re.findall(r"\$\{\w+\}", text) == ["${ORIGIN_LOCK}"], "other variables than nginx's own"
        (port,) = free_ports(1)
        for theirs, ours in (
            ("${ORIGIN_LOCK}", "a-secret"),
            ("server caudal:", "server 127.0.0.1:"),
            ("/var/cache/nginx", folder),
            ("user nginx nginx;", ""),
            ("listen 80;", f"listen 127.0.0.1:{port};"),
        ):
            assert theirs in text, f"it does not say {theirs}"
            text = text.replace(theirs, ours)
        path = Path(folder, "nginx.conf")
        path.write_text(text)
        command("nginx", "-t", "-q", "-e", Path(folder, "errors"), "-p", folder, "-c", path)


def prometheus_reads(rules: Path) -> None:
    """Both configurations, each with the rules."""
    with tempfile.TemporaryDirectory() as folder:
        text = (COMPOSE / "prometheus.yml").read_text().replace("/etc/prometheus/rules", str(rules))
        path = Path(folder, "prometheus.yml")
        path.write_text(text)
        said = command("promtool", "check", "config", path)
        assert "rules found" in said, said
    command("amtool", "check-config", COMPOSE / "alertmanager.yml")


def proven(rules: Path) -> None:
    """The stack's own proof, whose lines are shown."""
    said = subprocess.run(
        [UP, "--check", "--rules", rules], stdout=subprocess.PIPE, text=True, timeout=LIMIT, check=False
    )
    for line in said.stdout.splitlines():
        print(f"      {line}")
    assert said.returncode == 0, f"up.py ended with {said.returncode}"


def ends(rules: Path) -> None:
    """It says where everything is; Ctrl-C ends it, and nothing of it is left."""
    with subprocess.Popen([UP, "--free", "--rules", rules], stdout=subprocess.PIPE, text=True) as up:
        try:
            assert up.stdout
            ready, _, _ = select.select([up.stdout], [], [], LIMIT)
            assert ready, "it does not say where everything is"
            said = ""
            while "Ctrl-C" not in said:
                line = up.stdout.readline()
                assert line, f"it ended: {said}"
                said += line
            family = children(up.pid)
            assert len(family) >= 5, f"{len(family)} processes: {family}"
            folder = re.search(r"logs\s+(\S+)", said)
            assert folder and Path(folder[1]).is_dir(), said
            up.send_signal(signal.SIGINT)
            assert up.wait(60) == 0, f"it ended with {up.returncode}"
            deadline = time.monotonic() + 5
            while (left := [pid for pid in family if alive(pid)]) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert not left, f"processes {left} are left"
            assert not Path(folder[1]).exists(), f"{folder[1]} is left"
        finally:
            up.terminate()


def children(root: int) -> list[int]:
    """All below a process."""
    found = [root]
    for pid in found:
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in path.read_text().split()]
    return found[1:]


def alive(pid: int) -> bool:
    """Whether it runs; one that has ended and is only not asked for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def main() -> int:
    """All checks, in order."""
    rules = Path(sys.argv[sys.argv.index("--rules") + 1]).resolve() if "--rules" in sys.argv else RULES
    tally = Tally()
    folders = [
        ROOT / "deploy/platform",
        ROOT / "deploy/check/platform",
        ROOT / "deploy/check/transcode",
        ROOT / "loadtest/viewers",
    ]
    tally.check(
        "ruff: the platform's scripts", lambda: command(BIN / "ruff", "check", "--quiet", "--config", RULE, *folders)
    )
    tally.check("mypy: the platform's scripts", lambda: command(BIN / "mypy", "up.py", cwd=ROOT / "deploy/platform"))
    tally.check(
        "deploy/compose is made of deploy/platform/config", lambda: command(ROOT / "deploy/platform/compose.py")
    )
    tally.check("docker-compose.yml is read, and all that it mounts is there", compose)
    tally.check("caudal trusts the network of docker-compose.yml", one_network)
    tally.check("caudal reads deploy/compose/caudal.toml", caudal_reads)
    tally.check("nginx reads deploy/compose/nginx.conf.template", nginx_reads)
    tally.check("Prometheus and Alertmanager read theirs", lambda: prometheus_reads(rules))
    tally.check("make platform plays, caches, and fires an alert", lambda: proven(rules))
    tally.check("Ctrl-C ends everything that it started", lambda: ends(rules))
    load.run(tally)
    return tally.end("platform")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failed:
        print(f"FAIL  {failed}\nplatform: stopped")
        sys.exit(1)

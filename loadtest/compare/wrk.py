"""wrk, as a function."""

from __future__ import annotations

import json
import re
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path

from misbehaved import Misbehaved
from servers import Server, program

SCRIPT = Path(__file__).parent / "load.lua"

# Past the run's own length, to connect and to report.
PATIENCE = 15.0


@dataclass(frozen=True)
class Outcome:
    """What wrk counted."""

    requests: int
    bytes: int
    seconds: float
    p50_ms: float
    p99_ms: float
    # What wrk itself spent. On loopback it pays for a part of what the server's TCP does.
    cpu_seconds: float


@dataclass(frozen=True)
class Load:
    """Whom to ask, from which core, how hard and how long."""

    server: Server
    core: int
    connections: int
    seconds: float
    # Over TLS.
    secure: bool = False


def run(load: Load, path: str, *mode: str) -> Outcome:
    """Asks for `path` as `mode` says: see load.lua.

    Raises Misbehaved for a status that is not 2xx, a broken connection or an answer that took 10 s.
    """
    options = ["-t1", f"-c{load.connections}", f"-d{max(1, round(load.seconds))}s", "--timeout", "10s"]
    command = ["taskset", "-c", str(load.core), program("wrk"), *options, "-s", str(SCRIPT), load.server.url(path, load.secure)]
    spent = children_cpu()
    patience = load.seconds + PATIENCE
    try:
        ran = subprocess.run([*command, "--", *mode], capture_output=True, text=True, timeout=patience, check=False)
    except subprocess.TimeoutExpired as error:
        raise Misbehaved(f"{load.server.name}: wrk does not end within {patience:.0f} s") from error
    found = re.search(r"^outcome (.*)$", ran.stdout, re.MULTILINE)
    if ran.returncode != 0 or not found:
        raise Misbehaved(f"{load.server.name}: wrk said: {(ran.stdout + ran.stderr).strip()}")
    said = json.loads(found[1])
    if said["errors"]:
        raise Misbehaved(
            f"{load.server.name}: {said['errors']} errors in {said['requests']} requests "
            f"({said['statuses']} of them statuses, {said['timeouts']} timeouts)"
        )
    return Outcome(
        requests=said["requests"],
        bytes=said["bytes"],
        seconds=said["micros"] / 1e6,
        p50_ms=said["p50_us"] / 1e3,
        p99_ms=said["p99_us"] / 1e3,
        cpu_seconds=children_cpu() - spent,
    )


def children_cpu() -> float:
    """CPU time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

#!/usr/bin/env python3
"""Ten thousand viewers of one caudal, on this machine: see README.md beside this.

    run.py                      10,000 viewers for 90 s; writes RESULTS.md
    run.py --short              500 viewers for 12 s; shows that it works, writes nothing
    run.py --viewers N --seconds S --ramp R

It succeeds where nobody saw an error, nobody's picture stood still, and caudal's own count, its log and its metrics say
the same as the viewers. How fast it was is told, not judged: that is the machine's matter too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.append(str(HERE.parent / "compare"))

import procs  # noqa: E402
import servers  # noqa: E402
import titles  # noqa: E402
from certificate import make_certificate  # noqa: E402
from meter import Watch  # noqa: E402
from misbehaved import Misbehaved  # noqa: E402
from servers import Place, Server  # noqa: E402
from tables import Form, page, table  # noqa: E402

SOURCE = ROOT / "src/demo/title"
TITLES = 20
MEMORY_MIB = 512
# What a viewer takes of descriptors, on either side, and what the rest of a process does.
SPARE = 500


FULL, SHORT = Form(10_000, 30, 90), Form(500, 3, 12)


class Failed(Exception):
    """What stops the run; it is all that a person needs to read."""


def main() -> None:
    """Runs it, and tells."""
    options = arguments()
    form = SHORT if options.short else FULL
    form = Form(options.viewers or form.viewers, options.ramp or form.ramp, options.seconds or form.seconds)
    if options.caudal:
        servers.PROGRAMS["caudal"] = options.caudal.resolve()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < form.viewers + SPARE:
        raise Failed(
            f"{form.viewers} viewers need {form.viewers + SPARE} descriptors, and `ulimit -Hn` is {hard}: raise it"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    load = os.getloadavg()[0]
    figures = measure(form, (options.server_core, options.load_core))
    figures["load_before"] = load
    figures["memory_mib"], figures["titles"] = MEMORY_MIB, TITLES
    print(table(figures), flush=True)
    judge(figures)
    if form == FULL:
        (HERE / "RESULTS.md").write_text(page(form, figures))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a few viewers, a few seconds")
    parser.add_argument("--caudal", type=Path, metavar="BINARY", help="instead of target/release/caudal")
    parser.add_argument("--viewers", type=int, metavar="N")
    parser.add_argument("--ramp", type=float, metavar="SECONDS", help="in which they join")
    parser.add_argument("--seconds", type=float, metavar="SECONDS", help="in all")
    parser.add_argument("--server-core", type=int, default=0, metavar="CORE", help="caudal's (0)")
    parser.add_argument("--load-core", type=int, default=1, metavar="CORE", help="the viewers' and the store's (1)")
    return parser.parse_args()


def measure(form: Form, cores: tuple[int, int]) -> dict[str, Any]:
    """One run, from a cold cache. Whatever happens, nothing of it is left behind."""
    server_core, load_core = cores
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="caudal-viewers.", dir="/dev/shm")))
        # The store's workers are somebody else, where root starts it.
        scratch.chmod(0o755)
        bucket = scratch / "media/bucket"
        titles.make(SOURCE, bucket, TITLES)
        make_certificate(scratch / "tls")
        port, admin_port, tls_port, store_port = servers.free_ports(4)
        place = Place(scratch / "store", scratch / "media", store_port, 0, 0, 0, scratch / "tls")
        stack.callback(servers.start("store", place, load_core).stop)
        place = Place(
            scratch / "caudal", scratch / "media", port, admin_port, tls_port, store_port, scratch / "tls", MEMORY_MIB
        )
        server = servers.start("caudal", place, server_core)
        stack.callback(server.stop)
        watch = Watch(server)
        before = (time.monotonic(), procs.cpu_seconds(server.pid), procs.core_seconds(server_core))
        figures = crowd(form, port, bucket, load_core)
        after = (time.monotonic(), procs.cpu_seconds(server.pid), procs.core_seconds(server_core))
        wall, cpu, core = (late - early for late, early in zip(after, before, strict=True))
        figures |= {"wall": wall, "cpu": cpu, "foreign": max(0.0, core - cpu) / wall, "peak_rss": watch.end()}
        if not figures["segments"]:
            raise Failed(f"no viewer got a segment: {'; '.join(figures['told']) or 'nothing came'}")
        figures["cpu_s_per_gib"] = cpu / (figures["bytes"] / (1 << 30))
        figures["cpu_us_per_request"] = cpu / figures["requests"] * 1e6
        figures |= witnesses(server)
        return figures


def crowd(form: Form, port: int, bucket: Path, core: int) -> dict[str, Any]:
    """All viewers, in a process of their own."""
    words = [str(port), str(bucket), "/bucket/", str(form.viewers), str(form.ramp), str(form.seconds), "1"]
    command = ["taskset", "-c", str(core), sys.executable, str(HERE / "crowd.py"), *words]
    said = subprocess.run(command, capture_output=True, text=True, timeout=form.seconds + 120, check=False)
    if said.returncode != 0:
        raise Failed(f"the viewers ended with {said.returncode}: {said.stderr.strip()}")
    figures: dict[str, Any] = json.loads(said.stdout)
    return figures


def witnesses(server: Server) -> dict[str, Any]:
    """What caudal says of it: its own count, its metrics, its log."""
    status = json.loads(_ask(server, "/status"))
    counted = sum(
        float(line.rsplit(" ", 1)[1])
        for line in _ask(server, "/metrics").splitlines()
        if line.startswith("caudal_requests_total{")
    )
    # The log's thread writes every 20 ms.
    time.sleep(0.5)
    log = server.place.scratch / "access.log"
    with log.open("rb") as lines:
        logged = sum(1 for line in lines if b'"path":' in line or b'"status":' in line)
    return {"status": status["requests"], "counted": counted, "logged": logged, "log_bytes": log.stat().st_size}


def _ask(server: Server, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.place.admin_port}{path}", timeout=30) as answer:
        said: str = answer.read().decode()
        return said


def judge(figures: dict[str, Any]) -> None:
    """Raises Failed where something was wrong, not where it was slow."""
    requests, status = figures["requests"], figures["status"]
    wrong = []
    if figures["errors"]:
        wrong.append(f"{figures['errors']} errors: {'; '.join(figures['told'])}")
    if figures["stalls"]:
        wrong.append(f"the picture of {figures['stalls']} viewers stood still")
    for name, number in (
        ("/status", status["total"]),
        ("/metrics", figures["counted"]),
        ("the log", figures["logged"]),
    ):
        if number != requests:
            wrong.append(f"{name} tells of {number:.0f} requests, the viewers of {requests}")
    if status["errors"]:
        wrong.append(f"caudal counts {status['errors']} errors")
    if wrong:
        raise Failed("\n".join(wrong))


if __name__ == "__main__":
    if shutil.which("nginx") is None:
        sys.exit("run.py: nginx, which is the store here, is missing: apt-get install nginx-light")
    try:
        main()
    except (Failed, Misbehaved) as failed:
        sys.exit(f"run.py: {failed}")

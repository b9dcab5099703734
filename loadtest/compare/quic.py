"""The work over HTTP/3: hits, and connections that idle. Our own h3load asks: see ../h3load."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from dataclasses import dataclass

import procs
import store
import wrk
from bench import Bench
from checks import check, fetch
from crowds import await_held, beside, end
from meter import Figures, metered
from misbehaved import Misbehaved
from servers import Server, program
from throughput import WARM, all_whole, rates

# As over HTTP/2.
CONNECTIONS, STREAMS = 8, 4

# Past a run's own length: h3load ends by itself before that.
PATIENCE = 30.0

REST = 1.0


@dataclass(frozen=True)
class QuicHits:
    """An object that is in memory, again and again, over HTTP/3."""

    size: str

    def prepare(self, bench: Bench, server: Server) -> None:
        """Checks the bytes, and gives the server the time to see what is asked for often."""
        path = store.path(self.size)
        check(server, path, bench.content(path))
        _check_h3(bench, server, path)
        self._run(bench, server, WARM)

    def measure(self, bench: Bench, server: Server) -> Figures:
        """One run."""
        one = fetch(server, store.path(self.size))
        with metered(bench, server) as spent:
            outcome = self._run(bench, server, bench.scale.seconds)
        all_whole(server, outcome, len(one.body))
        return rates(outcome) | spent.figures(outcome.requests, outcome.bytes)

    def _run(self, bench: Bench, server: Server, seconds: float) -> wrk.Outcome:
        options = ["--connections", str(CONNECTIONS), "--streams", str(STREAMS), "--seconds", str(seconds)]
        spent = wrk.children_cpu()
        told = json.loads(_h3load(bench, server, seconds, "load", server.url(store.path(self.size), secure=True), *options))
        if told["errors"]:
            raise Misbehaved(f"{server.name}: {told['errors']} errors over HTTP/3, the first: {told['first_error']}")
        figures = {name: told[name] for name in ("requests", "bytes", "seconds", "p50_ms", "p99_ms")}
        return wrk.Outcome(**figures, cpu_seconds=wrk.children_cpu() - spent)


@dataclass(frozen=True)
class QuicIdle:
    """QUIC connections that asked once and stay: what does each hold?"""

    size: str = "2KiB"

    def prepare(self, bench: Bench, server: Server) -> None:
        """Checks the bytes."""
        _check_h3(bench, server, store.path(self.size))

    def measure(self, bench: Bench, server: Server) -> Figures:
        """Resident bytes with the crowd, less those without."""
        count = bench.scale.idle
        time.sleep(REST)
        files = procs.anonymous_files(server.pid)
        base = procs.resident(server.pid, files)
        url = server.url(store.path(self.size), secure=True)
        with beside(bench, [program("h3load"), "hold", url, "--connections", str(count)]) as process:
            await_held(server, process)
            time.sleep(REST)
            grown = procs.resident(server.pid, files) - base
            end(server, process)
        return {"kib_per_connection": grown / count / store.KIB, "base_rss_mib": base / store.MIB}


def _check_h3(bench: Bench, server: Server, path: str) -> None:
    """Fetches an object over HTTP/3 and compares it."""
    body = _h3load(bench, server, 0, "fetch", server.url(path, secure=True))
    if hashlib.sha256(body).digest() != hashlib.sha256(bench.content(path)).digest():
        raise Misbehaved(f"{server.name}: {path} over HTTP/3: not the bytes of the file ({len(body)} bytes)")


def _h3load(bench: Bench, server: Server, seconds: float, *argv: str) -> bytes:
    """What h3load writes to stdout."""
    command = ["taskset", "-c", str(bench.load_core), program("h3load"), *argv]
    patience = seconds + PATIENCE
    try:
        ran = subprocess.run(command, capture_output=True, timeout=patience, check=False)
    except subprocess.TimeoutExpired as error:
        raise Misbehaved(f"{server.name}: h3load does not end within {patience:.0f} s") from error
    if ran.returncode != 0:
        raise Misbehaved(f"{server.name}: h3load said: {ran.stderr.decode(errors='replace').strip()}")
    return ran.stdout

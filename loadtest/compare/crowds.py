"""The work that a crowd of connections does: joining, idling, leaving, watching. See client.py, which is the crowd."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import procs
import store
import wrk
from bench import Bench
from checks import check, fetch
from meter import Figures, metered
from misbehaved import Misbehaved
from servers import Server

CLIENT = Path(__file__).parent / "client.py"
PATIENCE = 120.0

# After the last answer, before memory is read: allocators and log writers come to rest.
REST = 1.0

PERIOD = 4.0


@dataclass(frozen=True)
class Join:
    """Everybody asks for one cold object while the store takes its time."""

    size: str = "4MiB"

    def prepare(self, bench: Bench, server: Server) -> None:
        """Checks the bytes that come by way of the slow store."""
        check(server, store.cold_path(self.size, bench.fresh_name()), bench.content(store.path(self.size)))

    def measure(self, bench: Bench, server: Server) -> Figures:
        """One crowd, one object."""
        name, count = bench.fresh_name(), bench.scale.joiners
        length = store.SIZES[self.size]
        bench.asked_slowly.gets()
        with (
            metered(bench, server) as spent,
            crowd(bench, server, "join", store.cold_path(self.size, name), length, count) as process,
        ):
            said = end(server, process)
        figures = spent.figures(count, count * length)
        return figures | said | {"storage_gets": bench.asked_slowly.gets(name)}


@dataclass(frozen=True)
class Idle:
    """Connections that asked once and stay: what does each hold?"""

    size: str = "2KiB"

    def prepare(self, bench: Bench, server: Server) -> None:
        """Checks the bytes, and lets the server grow to what it is at work."""
        _warm(bench, server, self.size)

    def measure(self, bench: Bench, server: Server) -> Figures:
        """Resident bytes with the crowd, less those without."""
        count = bench.scale.idle
        time.sleep(REST)
        files = procs.anonymous_files(server.pid)
        base = procs.resident(server.pid, files)
        with crowd(bench, server, "hold", store.path(self.size), store.SIZES[self.size], count) as process:
            await_held(server, process)
            time.sleep(REST)
            grown = procs.resident(server.pid, files) - base
            end(server, process)
        return {"kib_per_connection": grown / count / store.KIB, "base_rss_mib": base / store.MIB}


@dataclass(frozen=True)
class Closed:
    """A crowd that came, fetched and left: is its memory given back?"""

    size: str = "64KiB"

    def prepare(self, bench: Bench, server: Server) -> None:
        """Checks the bytes, and lets the server grow to what it is at work."""
        _warm(bench, server, self.size)

    def measure(self, bench: Bench, server: Server) -> Figures:
        """Resident bytes a while after the crowd left, by those before it came."""
        time.sleep(REST)
        files = procs.anonymous_files(server.pid)
        base = procs.resident(server.pid, files)
        count, length = bench.scale.closed, store.SIZES[self.size]
        with crowd(bench, server, "hold", store.path(self.size), length, count) as process:
            await_held(server, process)
            held = procs.resident(server.pid, files)
            end(server, process)
        time.sleep(bench.scale.closed_wait)
        after = procs.resident(server.pid, files)
        in_mib = {"base_rss_mib": base, "held_rss_mib": held, "after_rss_mib": after}
        return {name: value / store.MIB for name, value in in_mib.items()} | {"rss_after_ratio": after / base}


@dataclass(frozen=True)
class Watch:
    """Viewers at the pace of a player."""

    size: str = "512KiB"

    def prepare(self, bench: Bench, server: Server) -> None:
        """Checks the bytes of a segment, and warms all of them."""
        first = store.live_path(0)
        check(server, first, bench.content(first))
        for number in range(store.LIVE):
            fetch(server, store.live_path(number))

    def measure(self, bench: Bench, server: Server) -> Figures:
        """All of them, for a while."""
        length, count = store.SIZES[self.size], bench.scale.viewers
        pace = (PERIOD, bench.scale.viewing, store.LIVE)
        with (
            metered(bench, server) as spent,
            crowd(bench, server, "watch", "/bucket/live", length, count, *pace) as process,
        ):
            said = end(server, process)
        figures = spent.figures(said["requests"], round(said["requests"] * length))
        rates = {
            "requests_per_s": said["requests"] / said["seconds"],
            "p50_ms": said["first_byte_p50_ms"],
            "p99_ms": said["first_byte_p99_ms"],
            "client_late_p99_ms": said["late_p99_ms"],
        }
        return figures | rates | {"core_share": spent.cpu_seconds / spent.seconds}


def _warm(bench: Bench, server: Server, size: str) -> None:
    path = store.path(size)
    check(server, path, bench.content(path))
    wrk.run(wrk.Load(server, bench.load_core, 64, 1.0), path, "hit")


@contextmanager
def crowd(
    bench: Bench, server: Server, mode: str, path: str, *args: object, port: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Starts a crowd. It is gone when the context ends."""
    what = [mode, str(port or server.place.port), path, *(str(arg) for arg in args)]
    with beside(bench, [sys.executable, str(CLIENT), *what]) as process:
        yield process


@contextmanager
def beside(bench: Bench, argv: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Starts a client on the load generator's core. It is gone when the context ends."""
    command, pipe = ["taskset", "-c", str(bench.load_core), *argv], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def await_held(server: Server, process: subprocess.Popen[str]) -> None:
    """Waits until all of a crowd have had their answer."""
    assert process.stdout
    readable, _, _ = select.select([process.stdout], [], [], PATIENCE)
    if not readable or process.stdout.readline().strip() != "held":
        process.kill()
        raise Misbehaved(f"{server.name}: {process.communicate()[1].strip() or 'the crowd is not served'}")


def end(server: Server, process: subprocess.Popen[str]) -> Figures:
    """Lets a crowd go, and reads what it has to say."""
    try:
        said, errors = process.communicate("\n", timeout=PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise Misbehaved(f"{server.name}: the crowd is not served within {PATIENCE:.0f} s") from error
    if process.returncode != 0:
        raise Misbehaved(f"{server.name}: {errors.strip()}")
    figures: Figures = json.loads(said)
    return figures

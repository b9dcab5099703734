"""What a server spent while it was under load."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import procs
from bench import Bench
from servers import Server

Figures = dict[str, float]

# After the load ends: background work that it caused still counts.
SETTLE = 0.2

# How often memory is looked at.
GLANCE = 0.1


@dataclass
class Spent:
    """Filled when the metering ends."""

    cpu_seconds: float = 0.0
    seconds: float = 0.0
    peak_resident: int = 0
    # The part of the server's core that went to somebody else: 0.01 is a quiet machine, 0.2 is none.
    foreign: float = 0.0

    def figures(self, requests: float, bytes_sent: int) -> Figures:
        """What it comes to for each request and byte."""
        return {
            "cpu_us_per_request": self.cpu_seconds / requests * 1e6,
            "cpu_s_per_gib": self.cpu_seconds / (bytes_sent / (1 << 30)),
            "peak_rss_mib": self.peak_resident / (1 << 20),
            "foreign": self.foreign,
        }


class Watch:
    """Looks at a server's memory every now and then, and keeps the most it saw.

    The kernel keeps a peak too, without gaps; but it leaves out what `procs.resident` counts.
    """

    def __init__(self, server: Server) -> None:
        self._pid, self._files = server.pid, procs.anonymous_files(server.pid)
        self._most = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        procs.reset_peak(self._pid)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(GLANCE):
            self._most = max(self._most, procs.resident(self._pid, self._files))

    def end(self) -> int:
        """The most bytes at once."""
        self._over.set()
        self._thread.join()
        return max(self._most, procs.resident(self._pid, self._files), procs.peak_rss(self._pid))


@contextmanager
def metered(bench: Bench, server: Server) -> Iterator[Spent]:
    """Meters a server over the context."""
    spent = Spent()
    server.empty_log()
    watch = Watch(server)
    began, cpu, core = time.monotonic(), procs.cpu_seconds(server.pid), procs.core_seconds(bench.server_core)
    try:
        yield spent
        time.sleep(SETTLE)
        spent.seconds = time.monotonic() - began
        spent.cpu_seconds = procs.cpu_seconds(server.pid) - cpu
        busy = procs.core_seconds(bench.server_core) - core
        spent.foreign = max(0.0, busy - spent.cpu_seconds) / spent.seconds
    finally:
        spent.peak_resident = watch.end()
    server.empty_log()

"""The work that wrk drives: hits, ranges, cold misses, churn.

A class a kind of work; each prepares a server once and measures it once a round.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import store
import wrk
from bench import Bench
from checks import check, fetch
from meter import Figures, metered
from misbehaved import Misbehaved
from servers import Server

HIT_CONNECTIONS = 32
COLD_CONNECTIONS = 16
WARM = 1.0
MIX_WARM = 8.0

# A cache is full once this many times its memory went through it; a slow one is left at it for so many seconds.
FILL = 1.25
FILL_AT_MOST = 12

# A run that never gets to its bytes ends all the same.
CHURN_TAKES = 180.0
CHURN_PIECE = 2.0


@dataclass(frozen=True)
class Hits:
    """An object that is in memory, or a range of one, again and again."""

    size: str
    range: int | None = None

    def prepare(self, bench: Bench, server: Server) -> None:
        """Checks the bytes, and gives the server the time to see what is asked for often."""
        path = store.path(self.size)
        check(server, path, bench.content(path))
        wrk.run(self._load(bench, server, WARM), path, *self._mode())

    def measure(self, bench: Bench, server: Server) -> Figures:
        """One run."""
        path = store.path(self.size)
        one = fetch(server, path, slice(0, self.range) if self.range else None)
        bench.asked.gets()
        with metered(bench, server) as spent:
            outcome = wrk.run(self._load(bench, server, bench.scale.seconds), path, *self._mode())
        all_whole(server, outcome, len(one.body))
        gets = bench.asked.gets(path)
        if gets:
            raise Misbehaved(f"{server.name}: the store was asked {gets} times for what is in memory")
        figures = rates(outcome) | spent.figures(outcome.bytes / one.wire_bytes, outcome.bytes)
        return figures | {"gets_per_request": 0.0}

    def _load(self, bench: Bench, server: Server, seconds: float) -> wrk.Load:
        return wrk.Load(server, bench.load_core, HIT_CONNECTIONS, seconds)

    def _mode(self) -> list[str]:
        return ["range", str(store.SIZES[self.size]), str(self.range)] if self.range else ["hit"]


@dataclass(frozen=True)
class Cold:
    """Objects that nobody asked for before, each once."""

    size: str

    def prepare(self, bench: Bench, server: Server) -> None:
        """Checks the bytes of a cold object, and fills the cache, so that every further object evicts another."""
        content = bench.content(store.path(self.size))
        check(server, store.cold_path(self.size, bench.fresh_name()), content)
        fetched = 0
        for _ in range(FILL_AT_MOST):
            load = wrk.Load(server, bench.load_core, COLD_CONNECTIONS, WARM)
            fetched += wrk.run(load, "/", "cold", bench.fresh_name(), self.size).bytes
            if fetched > FILL * server.place.memory_mib * store.MIB:
                return

    def measure(self, bench: Bench, server: Server) -> Figures:
        """One run."""
        one = fetch(server, store.cold_path(self.size, bench.fresh_name()))
        prefix = bench.fresh_name()
        bench.asked.gets()
        with metered(bench, server) as spent:
            outcome = wrk.run(self._load(bench, server), "/", "cold", prefix, self.size)
        all_whole(server, outcome, len(one.body))
        gets = bench.asked.gets(prefix)
        if gets < outcome.requests:
            raise Misbehaved(f"{server.name}: {outcome.requests} cold objects came of {gets} GETs to the store")
        figures = rates(outcome) | spent.figures(outcome.bytes / one.wire_bytes, outcome.bytes)
        return figures | {"gets_per_request": gets / (outcome.bytes / one.wire_bytes)}

    def _load(self, bench: Bench, server: Server) -> wrk.Load:
        return wrk.Load(server, bench.load_core, COLD_CONNECTIONS, bench.scale.seconds)


@dataclass(frozen=True)
class Mix:
    """Some of many objects, a few of them far more often than the others."""

    size: str
    total_mib: int
    exponent: float

    def prepare(self, bench: Bench, server: Server) -> None:
        """Checks the bytes of one, and lets the cache see what is asked for often."""
        check(server, store.cold_path(self.size, "mix-1"), bench.content(store.path(self.size)))
        wrk.run(self._load(bench, server, MIX_WARM), "/", *self._mode(1))

    def measure(self, bench: Bench, server: Server) -> Figures:
        """One run."""
        one = fetch(server, store.cold_path(self.size, "mix-1"))
        bench.asked.gets()
        with metered(bench, server) as spent:
            outcome = wrk.run(self._load(bench, server, bench.scale.seconds), "/", *self._mode(time.time_ns() % 1000))
        all_whole(server, outcome, len(one.body))
        answers = outcome.bytes / one.wire_bytes
        figures = rates(outcome) | spent.figures(answers, outcome.bytes)
        return figures | {"gets_per_request": bench.asked.gets("mix") / answers}

    def _load(self, bench: Bench, server: Server, seconds: float) -> wrk.Load:
        return wrk.Load(server, bench.load_core, COLD_CONNECTIONS, seconds)

    def _mode(self, seed: int) -> list[str]:
        count = self.total_mib * store.MIB // store.SIZES[self.size]
        return ["zipf", "mix", self.size, str(count), str(self.exponent), str(seed)]


@dataclass(frozen=True)
class Churn:
    """Cold objects of all sizes, several times the memory: does it keep to what it was given?"""

    memory_mib: int
    sizes: tuple[str, ...] = ("2KiB", "64KiB", "512KiB", "1MiB", "4MiB", "8MiB")

    def prepare(self, bench: Bench, server: Server) -> None:
        """Checks the bytes of every size."""
        for size in self.sizes:
            path = store.cold_path(size, bench.fresh_name())
            check(server, path, bench.content(store.path(size)))

    def measure(self, bench: Bench, server: Server) -> Figures:
        """The whole churn."""
        fetched = requests = 0
        load = wrk.Load(server, bench.load_core, COLD_CONNECTIONS, CHURN_PIECE)
        with metered(bench, server) as spent:
            for _ in range(round(CHURN_TAKES / CHURN_PIECE)):
                outcome = wrk.run(load, "/", "cold", bench.fresh_name(), ",".join(self.sizes))
                fetched, requests = fetched + outcome.bytes, requests + outcome.requests
                if fetched >= bench.scale.churn:
                    break
            else:
                raise Misbehaved(f"{server.name}: {fetched} bytes in {CHURN_TAKES:.0f} s, {bench.scale.churn} wanted")
        figures = spent.figures(requests, fetched)
        given = self.memory_mib * store.MIB
        return figures | {"fetched_gib": fetched / store.GIB, "peak_rss_ratio": spent.peak_resident / given}


def rates(outcome: wrk.Outcome) -> Figures:
    """What the load generator saw."""
    return {
        "requests_per_s": outcome.requests / outcome.seconds,
        "p50_ms": outcome.p50_ms,
        "p99_ms": outcome.p99_ms,
        "client_us_per_request": outcome.cpu_seconds / outcome.requests * 1e6,
    }


def all_whole(server: Server, outcome: wrk.Outcome, length: int) -> None:
    """wrk tells refusals (4xx, 5xx) only; an answer of another kind shows in the bytes."""
    if outcome.requests == 0:
        raise Misbehaved(f"{server.name}: not one answer in {outcome.seconds:.0f} s")
    if outcome.bytes < outcome.requests * length:
        raise Misbehaved(f"{server.name}: {outcome.requests} answers of {length} bytes had {outcome.bytes} in all")

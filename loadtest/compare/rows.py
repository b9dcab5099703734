"""The rows of the comparison, in the order of the report.

A row is a kind of work and the servers that do it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from bench import Bench
from crowds import Closed, Idle, Join, Watch
from meter import Figures
from quic import QuicHits, QuicIdle
from secure import Handshakes, SecureHits, SecureIdle
from servers import Room, Server
from siege import Beset, HostileH2
from store import KIB, MIB, SIZES
from throughput import Churn, Cold, Hits, Mix

ROOM = Room()
CHURN_MEMORY_MIB = 256


class Work(Protocol):
    """What a row does with each of its servers."""

    def prepare(self, bench: Bench, server: Server) -> None:
        """Once, before the first round: checks the bytes, warms. Raises Misbehaved."""

    def measure(self, bench: Bench, server: Server) -> Figures:
        """Once a round. Raises Misbehaved."""


@dataclass(frozen=True)
class Row:
    """One line of the comparison, for each of its servers."""

    id: str
    group: str
    title: str
    servers: tuple[str, ...]
    work: Work
    # The figure whose ratio, caudal's to a peer's, sums the row up.
    ratio_of: str | None = None
    # How often each server is measured; None is as often as the scale says.
    rounds: int | None = None
    room: Room = ROOM
    slow_store: bool = False
    # Only where it is asked for by name: it compares caudal with itself.
    by_name: bool = False


PER_REQUEST, PER_GIB = "cpu_us_per_request", "cpu_s_per_gib"
PER_CONNECTION, PER_HOSTILE = "kib_per_connection", "kib_per_hostile"
HITTERS = ("caudal", "nginx", "nginx-uncorked", "varnish", "caddy")
IDLERS = ("caudal", "nginx", "varnish", "caddy")
# Varnish has no TLS of its own.
SECURE = ("caudal", "nginx", "caddy")
# nginx has none before 1.25, Varnish none.
QUIC = ("caudal", "caddy")
CACHES = ("caudal", "nginx-slice", "nginx-whole", "varnish")


def _hits(size: str) -> Row:
    return Row(f"hit-{size}", "hits", f"hit, {size[:-3]} {size[-3:]}", HITTERS, Hits(size), PER_REQUEST)


def _secure(size: str, h2: bool) -> Row:
    over = "h2" if h2 else "tls"
    title = f"hit over {'HTTP/2' if h2 else 'TLS'}, {size[:-3]} {size[-3:]}"
    return Row(f"{over}-{size}", over, title, SECURE, SecureHits(size, h2), PER_REQUEST)


def _quic(size: str) -> Row:
    return Row(f"h3-{size}", "h3", f"hit over HTTP/3, {size[:-3]} {size[-3:]}", QUIC, QuicHits(size), PER_REQUEST)


def _cold(size: str, ratio_of: str) -> Row:
    room = Room(objects=Room.memory_mib * MIB // SIZES[size])
    return Row(f"cold-{size}", "cold", f"cold miss, {size[:-3]} {size[-3:]}", CACHES, Cold(size), ratio_of, room=room)


HOSTILE = "hostile HTTP/2 connections"
# As many fields as caudal takes in one head, less those of every request.
FITTING = 96


# All from memory; each object once; the way of the world, over ten times what the cache holds.
MIXES = (("hits", 128, 0.0), ("zipf", 5120, 0.9))
PLACEMENTS = ("caudal", "caudal-all", "caudal-off")


def _placement(size: str) -> tuple[Row, ...]:
    """Where blocks had best live."""
    mixes = [(name, Mix(size, total, exponent)) for name, total, exponent in MIXES]
    works: list[tuple[str, Work]] = [*mixes, ("once", Cold(size))]
    return tuple(
        Row(f"{name}-{size}", "placement", f"{name}, {size}", PLACEMENTS, work, PER_REQUEST, by_name=True)
        for name, work in works
    )


ROWS = (
    *(_hits(size) for size in ("2KiB", "64KiB", "1MiB", "4MiB")),
    Row("range-64KiB", "ranges", "64 KiB range of 64 MiB", HITTERS, Hits("64MiB", range=64 * KIB), PER_REQUEST),
    *(_secure(size, h2=False) for size in ("2KiB", "64KiB", "1MiB")),
    *(_secure(size, h2=True) for size in ("2KiB", "64KiB", "1MiB")),
    *(_quic(size) for size in ("2KiB", "64KiB", "1MiB")),
    Row("handshake", "handshakes", "TLS handshake and a hit, 2 KiB", SECURE, Handshakes(), PER_REQUEST),
    _cold("64KiB", PER_REQUEST),
    _cold("1MiB", PER_GIB),
    Row(
        "join",
        "join",
        "joining a cold 4 MiB",
        ("caudal", "nginx-slice", "varnish"),
        Join(),
        slow_store=True,
    ),
    Row("viewers", "viewers", "paced viewers, 512 KiB", HITTERS[:4], Watch(), PER_REQUEST, rounds=1),
    Row("idle", "memory", "idle connections", IDLERS, Idle(), PER_CONNECTION, rounds=1),
    Row("idle-tls", "memory", "idle connections, TLS", SECURE, SecureIdle(), PER_CONNECTION, rounds=1),
    Row("idle-quic", "memory", "idle connections, QUIC", QUIC, QuicIdle(), PER_CONNECTION, rounds=1),
    Row("closed", "memory", "after a crowd left", ("caudal",), Closed(), rounds=1),
    Row(
        "churn",
        "memory",
        "churn, 2 KiB to 8 MiB",
        ("caudal",),
        Churn(CHURN_MEMORY_MIB),
        rounds=1,
        room=Room(CHURN_MEMORY_MIB),
    ),
    Row("hostile-h2", "hostile", HOSTILE, SECURE, HostileH2(FITTING), PER_HOSTILE, rounds=1),
    Row("hostile-h2-long", "hostile", f"{HOSTILE}, heads to the limit", SECURE, HostileH2(None), PER_HOSTILE, rounds=1),
    Row("beset", "hostile", "viewers beside idle and slow connections", HITTERS[:2], Beset(), PER_REQUEST, rounds=1),
    *_placement("64KiB"),
    *_placement("1MiB"),
)


def chosen(only: list[str], without: list[str]) -> list[Row]:
    """The rows of these groups or ids, or all; less these servers. A word that names nothing ends the bench."""
    _known(only, {row.group for row in ROWS} | {row.id for row in ROWS})
    _known(without, {server for row in ROWS for server in row.servers})
    wanted = [row for row in ROWS if (not only and not row.by_name) or row.id in only or row.group in only]
    less = [replace(row, servers=tuple(name for name in row.servers if name not in without)) for row in wanted]
    return [row for row in less if row.servers]


def _known(words: list[str], names: set[str]) -> None:
    for word in words:
        if word not in names:
            raise SystemExit(f"nothing is called {word}: there are {', '.join(sorted(names))}")

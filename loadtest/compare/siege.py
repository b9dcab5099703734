"""What those who mean ill cost: the memory each of them pins, and what viewers notice of them. See besieger.py."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import procs
import store
from bench import Bench
from checks import check, fetch
from crowds import PERIOD, REST, await_held, beside, crowd, end
from meter import Figures, metered
from servers import Server

BESIEGER = Path(__file__).parent / "besieger.py"

# A server that accepts heads of any length has its own limit; this is more than most allow.
UNTOLD_LIST = 32 << 10


@dataclass(frozen=True)
class HostileH2:
    """Connections over HTTP/2 whose every stream waits: heads that are long when they are read, and a closed window.

    `fields` is how many a head has: None for as many as the server says that it takes.
    """

    fields: int | None
    size: str = "1MiB"

    def prepare(self, bench: Bench, server: Server) -> None:
        """Checks the bytes, so that every answer is there and waits for its reader alone."""
        check(server, store.path(self.size), bench.content(store.path(self.size)))

    def measure(self, bench: Bench, server: Server) -> Figures:
        """Resident bytes with the hostile, less those without."""
        count = bench.scale.hostile
        time.sleep(REST)
        files = procs.anonymous_files(server.pid)
        base = procs.resident(server.pid, files)
        path, fields = store.path(self.size), self.fields or 0
        what = ["bomb", server.place.tls_port, path, count, fields, UNTOLD_LIST]
        with beside(bench, [sys.executable, str(BESIEGER), *map(str, what)]) as process:
            await_held(server, process)
            held = procs.resident(server.pid, files) - base
            said = end(server, process)
        return {
            "kib_per_hostile": held / count / store.KIB,
            "base_rss_mib": base / store.MIB,
            "hostile_open": said["open"],
            "hostile_streams": said["streams"] / count,
            "hostile_fields": said["fields"],
        }


@dataclass(frozen=True)
class Beset:
    """Viewers at the pace of a player, without and with those beside them who only hold on."""

    size: str = "512KiB"

    def prepare(self, bench: Bench, server: Server) -> None:
        """Checks the bytes of a segment, and warms all of them."""
        first = store.live_path(0)
        check(server, first, bench.content(first))
        for number in range(store.LIVE):
            fetch(server, store.live_path(number))

    def measure(self, bench: Bench, server: Server) -> Figures:
        """The viewers alone, and then beset."""
        files = procs.anonymous_files(server.pid)
        alone, _ = self._watch(bench, server)
        base = procs.resident(server.pid, files)
        length, large = store.SIZES["2KiB"], store.path("8MiB")
        slow = ["slow", server.place.port, large, bench.scale.slow]
        with (
            crowd(bench, server, "hold", store.path("2KiB"), length, bench.scale.idle) as idle,
            beside(bench, [sys.executable, str(BESIEGER), *map(str, slow)]) as besieging,
        ):
            await_held(server, idle)
            await_held(server, besieging)
            held = procs.resident(server.pid, files) - base
            said, figures = self._watch(bench, server)
            cut = end(server, besieging)
            end(server, idle)
        return figures | {
            "requests_per_s": said["requests"] / said["seconds"],
            "p50_ms": said["first_byte_p50_ms"],
            "p99_ms": said["first_byte_p99_ms"],
            "alone_p99_ms": alone["first_byte_p99_ms"],
            "client_late_p99_ms": said["late_p99_ms"],
            "slow_came": cut["came"],
            "held_rss_mib": held / store.MIB,
        }

    def _watch(self, bench: Bench, server: Server) -> tuple[Figures, Figures]:
        """What the viewers saw, and what it cost the server."""
        length = store.SIZES[self.size]
        pace = (PERIOD, bench.scale.viewing, store.LIVE)
        with (
            metered(bench, server) as spent,
            crowd(bench, server, "watch", "/bucket/live", length, bench.scale.beset, *pace) as viewers,
        ):
            said = end(server, viewers)
        return said, spent.figures(said["requests"], round(said["requests"] * length))

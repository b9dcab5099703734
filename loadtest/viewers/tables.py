"""What a run came to, for people."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import servers

MIB, GIB = 1 << 20, 1 << 30
# How much of caudal's core may go to others, and how late the viewers' own process may ask (p99), before the times say
# more of the machine than of caudal.
FOREIGN = 0.1
LATE_MS = 50.0
BUSY = (
    "**The machine was busy with other work**, which is in the times: the viewers' process was late by itself, or caudal had"
    " to share its core. Errors and memory are not touched by that; CPU is by as much as others emptied its caches."
)


@dataclass(frozen=True)
class Form:
    """How many viewers, and how long in seconds."""

    viewers: int
    ramp: float
    seconds: float


def table(f: dict[str, Any]) -> str:
    """Every figure."""
    status = f["status"]
    costs = f"{f['cpu_us_per_request']:.0f} µs a request, {f['cpu_s_per_gib']:.2f} s a GiB"
    rows = [
        ("viewers at once", f"{f['viewers']:,}"),
        ("requests", f"{f['requests']:,}, {f['requests'] / f['seconds']:,.0f} a second"),
        ("of these", f"{f['playlists']:,} playlists, {f['inits']:,} init segments, {f['segments']:,} segments"),
        ("titles begun", f"{f['starts']:,}"),
        ("sent", f"{f['bytes'] / GIB:.1f} GiB, {f['bytes'] * 8 / f['seconds'] / 1e9:.2f} Gbit/s"),
        ("errors; pictures that stood still", f"{f['errors']}; {f['stalls']}"),
        ("first byte p50 / p95 / p99", _ms(f, "first_byte")),
        ("of segments alone", _ms(f, "segment")),
        ("startup p50 / p95 / p99", _ms(f, "startup")),
        ("hits, misses, joined", f"{status['hits']:,}, {status['misses']:,}, {status['coalesced']:,}"),
        ("caudal's CPU", f"{f['cpu'] / f['wall'] * 100:.0f} % of a core; {costs}"),
        ("caudal's memory, most", f"{f['peak_rss'] / MIB:.0f} MiB, with {f['memory_mib']} MiB of cache allowed"),
        ("access log", f"{f['logged']:,} lines, {f['log_bytes'] / MIB:.0f} MiB"),
        (
            "viewers' process",
            f"{f['crowd_cpu'] / f['seconds'] * 100:.0f} % of a core; late by {f['late_p99_ms']:.1f} ms (p99)",
        ),
        (
            "of caudal's core to others",
            f"{f['foreign'] * 100:.1f} %; load of the machine before {f['load_before']:.1f}",
        ),
    ]
    return "\n".join(["| figure | measured |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _ms(figures: dict[str, Any], name: str) -> str:
    values = [figures[f"{name}_p{percent}_ms"] for percent in (50, 95, 99)]
    return " / ".join("none" if value is None else f"{value:.2f}" for value in values) + " ms"


def page(form: Form, figures: dict[str, Any]) -> str:
    """RESULTS.md."""
    busy = figures["foreign"] > FOREIGN or figures["late_p99_ms"] > LATE_MS
    made = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    scale = f"{figures['titles']} titles; {form.ramp:.0f} s to join, {form.seconds:.0f} s in all"
    # Before others on a machine that has others: that changes what the times mean.
    scale += "; before others, by `chrt --rr 1`" if os.sched_getscheduler(0) == os.SCHED_RR else ""
    return f"""# {form.viewers:,} viewers

Made by `loadtest/viewers/run.py` on {made} UTC. What it does is in the [README](README.md).

- Machine: {_machine()}
- caudal {servers.versions(["caudal"])["caudal"]}, one core, from a cold cache; {scale}

{table(figures)}

{BUSY if busy else "The machine was quiet."}
"""


def _machine() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    return f"{found[1] if found else 'unknown'}, {os.cpu_count()} cores, {memory:.0f} GiB; Linux {os.uname().release}"

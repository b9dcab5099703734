"""Writes REPORT.md: one table of everything that has a rate, one of the rest, one of the targets."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from results import NOISY, US, Results, Verdict
from rows import Row

README = Path(__file__).parent / "README.md"

# What a figure is called, and with how many digits it is written.
NAMES = {
    "requests_per_s": ("requests/s", 0),
    "cpu_us_per_request": ("CPU µs/request", 1),
    "cpu_s_per_gib": ("CPU s/GiB", 3),
    "client_us_per_request": ("client's CPU µs/request", 1),
    "p50_ms": ("p50 ms", 2),
    "p99_ms": ("p99 ms", 2),
    "peak_rss_mib": ("peak RSS MiB", 0),
    "gets_per_request": ("GETs/request", 2),
    "storage_gets": ("storage GETs", 0),
    "leader_first_byte_ms": ("first byte of the first, ms", 1),
    "lag_p50_ms": ("first byte after the first's, p50 ms", 2),
    "lag_p99_ms": ("first byte after the first's, p99 ms", 2),
    "asking_ms": ("to ask took ms", 1),
    "all_whole_ms": ("all whole after ms", 0),
    "kib_per_connection": ("RSS KiB per idle connection", 2),
    "kib_per_hostile": ("RSS KiB per hostile connection", 0),
    "hostile_open": ("of them still open", 0),
    "hostile_streams": ("streams of each", 0),
    "hostile_fields": ("fields of each head", 0),
    "alone_p99_ms": ("p99 ms without them", 2),
    "slow_came": ("connections of the slow", 0),
    "base_rss_mib": ("RSS before MiB", 1),
    "held_rss_mib": ("RSS with the crowd MiB", 1),
    "after_rss_mib": ("RSS afterwards MiB", 1),
    "rss_after_ratio": ("RSS afterwards ÷ before", 2),
    "fetched_gib": ("fetched GiB", 1),
    "peak_rss_ratio": ("peak RSS ÷ configured memory", 2),
    "client_late_p99_ms": ("client late by, p99 ms", 1),
    "core_share": ("part of a core", 2),
}
RATES = (
    "requests_per_s",
    "cpu_us_per_request",
    "cpu_s_per_gib",
    "client_us_per_request",
    "p50_ms",
    "p99_ms",
    "peak_rss_mib",
    "gets_per_request",
)


@dataclass(frozen=True)
class Occasion:
    """When, how and for how long."""

    command: str
    versions: dict[str, str]
    rounds: int
    minutes: float


def write(path: Path, occasion: Occasion, results: Results, rows: list[Row], judged: list[Verdict]) -> None:
    """Writes the report."""
    parts = [
        _heading(path, occasion, results.foreign()),
        _failures(results),
        "![caudal ÷ peer](chart.svg)",
        _targets(judged, rows),
        _rates(results, rows),
        _rest(results, rows),
    ]
    path.write_text("\n\n".join(part for part in parts if part) + "\n")


def _heading(path: Path, occasion: Occasion, foreign: float) -> str:
    said = ", ".join(f"{name} {version}" for name, version in occasion.versions.items())
    noise = f"{foreign:.1%} of the servers' core went to others"
    if foreign > NOISY:
        noise = f"**{noise}: too much, these figures are doubtful**"
    readme = os.path.relpath(README, path.parent)
    return f"""# caudal, nginx, Varnish and Caddy

Made by `{occasion.command}` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, in {occasion.minutes:.0f} minutes. What it
does and how to read it is in the [README]({readme}). Rounds: {occasion.rounds}.

- Machine: {_cpu()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB; Linux {platform.release()}, TCP by {_congestion()}
- Servers: {said}
- Noise: {noise}"""


def _failures(results: Results) -> str:
    lines = [f"- **{failure.row}**: {failure.why}" for failure in results.failures]
    return "\n".join(["## Failed", "", *lines]) if lines else ""


def _targets(judged: list[Verdict], rows: list[Row]) -> str:
    titles = {row.id: row.title for row in rows}
    lines = []
    for verdict in judged:
        target = verdict.target
        name, digits = NAMES[target.figure]
        what = f"{name}, caudal ÷ {target.peer}" if target.peer else name
        value = "not measured" if verdict.value is None else f"{verdict.value:.{2 if target.peer else digits}f}"
        outcome = "met" if verdict.met else "**missed**"
        lines.append(f"| {titles[target.row]} | {what} | ≤ {target.most:g} | {value} | {outcome} |")
    return _table("Targets", ["row", "figure", "target", "measured", ""], lines)


def _rates(results: Results, rows: list[Row]) -> str:
    lines = []
    for row in rows:
        for server in row.servers:
            medians = [results.median(row.id, server, figure) for figure in RATES]
            if medians[0] is None:
                continue
            cells = [_written(figure, value) for figure, value in zip(RATES, medians, strict=True)]
            lines.append(f"| {row.title} | {server} | {' | '.join(cells)} | {_ratio(results, row, server)} |")
    return _table("Rates", ["row", "server", *(NAMES[name][0] for name in RATES), "caudal ÷ it"], lines)


def _ratio(results: Results, row: Row, server: str) -> str:
    ratio = results.ratio(row.id, server, row.ratio_of) if row.ratio_of and server != US else None
    return "" if ratio is None else f"{ratio:.2f}"


def _rest(results: Results, rows: list[Row]) -> str:
    tables = [_of_its_own(results, row) for row in rows]
    return "\n\n".join(table for table in tables if table)


def _of_its_own(results: Results, row: Row) -> str:
    """The figures of a row that the table of rates has no column for; for a row without a rate, all of them."""
    known = {server: results.figures(row.id, server) for server in row.servers}
    names = list(dict.fromkeys(name for figures in known.values() for name in figures if name in NAMES))
    if "requests_per_s" in names:
        names = [name for name in names if name not in RATES]
    lines = [
        f"| {server} | {' | '.join(_written(name, results.median(row.id, server, name)) for name in names)} |"
        for server, figures in known.items()
        if figures
    ]
    return _table(
        row.title[0].upper() + row.title[1:], ["server", *(NAMES[name][0] for name in names)], lines if names else []
    )


def _table(title: str, heads: list[str], lines: list[str]) -> str:
    if not lines:
        return ""
    return "\n".join([f"## {title}", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *lines])


def _written(figure: str, value: float | None) -> str:
    return "" if value is None else f"{value:,.{NAMES[figure][1]}f}"


def _cpu() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _congestion() -> str:
    """Decides much of what a MiB costs: bbr sets a timer for every burst, cubic none."""
    return Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)

"""caudal beside nginx, Varnish and Caddy: the same work, on the same machine, in the same minutes. Start at main()."""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import bench
import chart
import report
import rows
import servers
from misbehaved import Misbehaved
from results import Failure, Results, Sample, verdicts
from rows import Row

HERE = Path(__file__).parent

# No run of the bench takes longer, whatever hangs.
LONGEST = 45 * 60


def main() -> int:
    """Runs the rows, writes the report, tells by its status how it went."""
    arguments = parse(sys.argv[1:])
    wanted = rows.chosen(arguments.only, arguments.without)
    if arguments.caudal:
        servers.PROGRAMS["caudal"] = arguments.caudal.resolve()
    versions = servers.versions(name for row in wanted for name in row.servers)
    prepare_process(arguments.cores)
    scale = bench.QUICK if arguments.quick else bench.FULL
    began = time.monotonic()
    results = Results()
    with bench.opened(scale, arguments.cores) as opened:
        for row in wanted:
            run(opened, row, results)
    judged = verdicts(results, wanted)
    occasion = report.Occasion(command(), versions, scale.rounds, (time.monotonic() - began) / 60)
    out = arguments.out or default_out(arguments)
    out.mkdir(parents=True, exist_ok=True)
    report.write(out / "REPORT.md", occasion, results, wanted, judged)
    chart.draw(out / "chart.svg", results, wanted)
    (out / "raw.json").write_text(json.dumps(results.plain(), indent=1))
    missed = [verdict for verdict in judged if not verdict.met]
    tell(f"{out / 'REPORT.md'}: {len(judged) - len(missed)} of {len(judged)} targets met")
    return 1 if results.failures or (arguments.enforce and missed) else 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="loadtest/compare", description="Compares caudal with its peers.")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it works, not how fast")
    parser.add_argument("--only", type=words, default=[], metavar="NAME,…", help="only these groups or rows")
    parser.add_argument("--without", type=words, default=[], metavar="SERVER,…", help="not these servers")
    parser.add_argument("--enforce", action="store_true", help="a missed target is a failure")
    parser.add_argument("--cores", type=two_cores, default=(0, 1), metavar="A,B", help="of servers, of load [0,1]")
    parser.add_argument("--caudal", type=Path, metavar="FILE", help="the binary [target/release/caudal]")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the report goes [results, or results/partial]")
    return parser.parse_args(argv)


def words(text: str) -> list[str]:
    """A list with commas."""
    return [word for word in text.split(",") if word]


def two_cores(text: str) -> tuple[int, int]:
    """The servers' core and the load generator's."""
    cores = text.split(",")
    if len(cores) != 2 or not all(core.isdigit() for core in cores) or cores[0] == cores[1]:
        raise argparse.ArgumentTypeError(f"{text} is not two different cores, such as 0,1")
    return int(cores[0]), int(cores[1])


def default_out(arguments: argparse.Namespace) -> Path:
    """What is committed comes of a whole run and is not overwritten by a look at a part."""
    whole = not (arguments.quick or arguments.only or arguments.without)
    return HERE / "results" if whole else HERE / "results" / "partial"


def prepare_process(cores: tuple[int, int]) -> None:
    """Takes the descriptors that ten thousand connections need, keeps off the servers' core, and ends in time."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {cores[1]})
    for wanted in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(wanted, leave)
    signal.alarm(LONGEST)


def leave(number: int, _: object) -> None:
    """Unwinds, so that what was started is ended."""
    raise SystemExit(f"ended by {signal.Signals(number).name}")


def run(opened: bench.Bench, row: Row, results: Results) -> None:
    """Drives the servers of a row in turn, round by round. A server that misbehaves fails the row."""
    tell(f"{row.id}: {row.title}")
    try:
        with ExitStack() as stack:
            running = [stack.enter_context(opened.server(name, row.room, row.slow_store)) for name in row.servers]
            for server in running:
                row.work.prepare(opened, server)
            for number in range(row.rounds or opened.scale.rounds):
                for server in running:
                    figures = row.work.measure(opened, server)
                    results.samples.append(Sample(row.id, server.name, number, figures))
                    tell(f"  {number + 1} {server.name:14} {summary(row, figures)}")
    except Misbehaved as error:
        results.failures.append(Failure(row.id, str(error)))
        tell(f"  FAILED: {error}")


def summary(row: Row, figures: dict[str, float]) -> str:
    """A run in one line."""
    first = [row.ratio_of] if row.ratio_of else [name for name in figures if name in report.NAMES][:6]
    shown = first + [name for name in ("requests_per_s", "p99_ms", "foreign") if name in figures and name not in first]
    return ", ".join(f"{name} {figures[name]:,.2f}" for name in shown)


def command() -> str:
    """How this run was called, as `make` would be told."""
    said = shlex.join(sys.argv[1:])
    return f'make compare ARGS="{said}"' if said else "make compare"


def tell(what: str) -> None:
    """Progress."""
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

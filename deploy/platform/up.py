#!/usr/bin/env python3
"""Starts a whole platform on this machine, without Docker: a store that speaks S3, caudal, nginx as the CDN, Prometheus
and Alertmanager, with the sample title in the bucket. Ctrl-C ends all of it. docs/platform.md tells the rest.

    make platform
    deploy/platform/up.py --free        on ports that nobody has
    deploy/platform/up.py --check       proves that it works, and ends
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parents[1] / os.environ.get("TEST_TOOLS", ".tools") / "deploy/platform/venv/bin/python"
# boto3 and the store are in an environment of their own.
if Path(sys.executable) != PYTHON:
    if not PYTHON.exists():
        sys.exit(f"up.py: {PYTHON} is missing: run deploy/check/platform/tools.sh")
    os.execv(PYTHON, [str(PYTHON), str(HERE / "up.py"), *sys.argv[1:]])

from processes import Failed, Processes  # noqa: E402
from proof import run  # noqa: E402
from stack import EARNEST, HURRIED, PREFIX, RULES, Ports, Stack  # noqa: E402
from tally import Tally  # noqa: E402


def main() -> int:
    """Starts it, and waits or checks."""
    options = arguments()
    # However it is asked to end, what it started ends with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("up.py: stopped"))
    # A shell that starts it in the background would have it ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    ports = Ports.free() if options.free or options.check else Ports()
    ports.must_be_free()
    with tempfile.TemporaryDirectory(prefix="caudal-platform.") as folder, Processes(Path(folder)) as processes:
        stack = Stack(processes, ports, options.rules.resolve(), HURRIED if options.check else EARNEST)
        try:
            stack.start()
            if options.check:
                tally = Tally()
                run(stack, tally, options.screenshot)
                return tally.end("up.py")
            print(addresses(stack), flush=True)
            while True:
                processes.check()
                time.sleep(0.5)
        except KeyboardInterrupt:
            print("\nending", flush=True)
            return 0
        finally:
            stack.close()


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="play, break and mend it, on free ports, and end")
    parser.add_argument("--free", action="store_true", help="take ports that nobody has")
    parser.add_argument("--rules", type=Path, default=RULES, metavar="FOLDER", help="Prometheus rules (%(default)s)")
    parser.add_argument("--screenshot", type=Path, metavar="FILE", help="with --check: a picture of the player page")
    return parser.parse_args()


def addresses(stack: Stack) -> str:
    """Where everything is."""
    title = stack.url("cdn", f"/{PREFIX}master.m3u8")
    lines = [
        ("watch", f"{stack.url('admin', '/player/')}?src={title}"),
        ("hls", title),
        ("dash", stack.url("cdn", f"/{PREFIX}manifest.mpd")),
        ("prometheus", stack.url("prometheus", "/alerts")),
        ("alertmanager", stack.url("alertmanager", "/")),
        ("metrics", stack.url("admin", "/metrics")),
        ("status", stack.url("admin", "/status")),
        ("bucket", f"{stack.url('store', '/media')} (any credentials; path style)"),
        ("logs", str(stack.processes.folder)),
    ]
    table = "\n".join(f"  {name:<14}{where}" for name, where in lines)
    return f"caudal platform\n\n{table}\n\nAlerts are shown here. Ctrl-C ends all of it."


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failed:
        sys.exit(f"up.py: {failed}")

"""Programs that are started together, and ended together by their pids."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

# Seconds for a program to listen, on a machine that does other things as well; and to end after SIGTERM.
START = 60.0
GRACE = 10.0


class Failed(Exception):
    """What stops everything; it is all that a person needs to read."""


class Processes:
    """What runs. Leaving the context ends it, last started first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in reversed(list(self.running)):
            self.stop(name)

    def start(self, name: str, argv: list[str | Path], env: dict[str, str] | None = None) -> None:
        """Starts a program, whose output goes to a file of its name. Ctrl-C does not reach it: it is ended here, in order."""
        program = shutil.which(str(argv[0]))
        if program is None:
            raise Failed(f"{argv[0]} is missing: deploy/check/platform/tools.sh gets it")
        with self.log(name).open("ab") as out:
            self.running[name] = subprocess.Popen(
                [program, *argv[1:]],
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self, name: str) -> int:
        """Ends one, and returns its status."""
        process = self.running.pop(name)
        process.terminate()
        try:
            return process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def log(self, name: str) -> Path:
        """Where a program's output is."""
        return self.folder / f"{name}.log"

    def pid(self, name: str) -> int:
        """The pid of one that runs."""
        return self.running[name].pid

    def check(self) -> None:
        """Raises Failed where one has ended by itself."""
        for name, process in self.running.items():
            if process.poll() is not None:
                raise Failed(f"{name} ended with {process.returncode}:\n{self.tail(name)}")

    def tail(self, name: str, lines: int = 10) -> str:
        """The last words of a program."""
        return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-lines:])

    def await_answer(self, name: str, url: str, seconds: float = START) -> None:
        """Waits until a URL answers with 200."""
        deadline = time.monotonic() + seconds
        said = "nothing"
        while time.monotonic() < deadline:
            self.check()
            try:
                with urllib.request.urlopen(url, timeout=5):
                    return
            except (OSError, urllib.error.HTTPError) as error:
                said = str(error)
            time.sleep(0.05)
        raise Failed(f"{name} does not answer at {url} after {seconds:.0f} s, but: {said}\n{self.tail(name)}")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()


def caudal(root: Path) -> Path:
    """The binary: $CAUDAL, or what cargo built."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
    given = os.environ.get("CAUDAL")
    for path in [Path(given)] if given else [target / "release/caudal", target / "debug/caudal"]:
        if path.exists():
            return path.resolve()
    raise Failed(
        f"{given or target / 'release/caudal'} is missing: run `cargo build --release`, or name the binary in CAUDAL"
    )

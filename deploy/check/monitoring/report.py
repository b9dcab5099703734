"""One line a check, as deploy/check wants it; and how programs are asked."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
MONITORING = ROOT / "deploy/monitoring"
TOOLS = ROOT / os.environ.get("TEST_TOOLS", ".tools") / "deploy/monitoring"


class Wrong(Exception):
    """What is wrong, in one line."""


class Report:
    def __init__(self, part: str):
        self.part, self.passed, self.failed = part, 0, 0

    @contextmanager
    def check(self, what: str):
        """Passes where nothing is raised within. What is no Wrong is a fault of the check, and fails it as well."""
        try:
            yield
        except Wrong as why:
            self._failed(what, str(why))
        except Exception as fault:  # noqa: BLE001
            self._failed(what, f"{type(fault).__name__}: {fault}")
        else:
            self.passed += 1
            print(f"ok    {what}", flush=True)

    def _failed(self, what: str, why: str) -> None:
        self.failed += 1
        print(f"FAIL  {what}: {why}", flush=True)

    def close(self) -> int:
        """The last line, and the exit code."""
        print(f"{self.part}: {self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0


def ask(*command: str | Path, cwd: Path = ROOT) -> str:
    """What a program prints; Wrong where it fails."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode != 0:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        raise Wrong(f"{command[0]} exits {done.returncode}: {' | '.join(lines[-6:])[:900]}")
    return said


def end_in_order() -> None:
    """Told to stop, stop what was started as well: SIGTERM alone would leave it behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def none_of(problems: list[str]) -> None:
    """Wrong where there are any."""
    if problems:
        more = f" (and {len(problems) - 8} more)" if len(problems) > 8 else ""
        raise Wrong("; ".join(problems[:8]) + more)

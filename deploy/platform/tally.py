"""One line a check, as every part of deploy/check prints it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from processes import Failed


class Tally:
    """What passed, and what failed."""

    def __init__(self) -> None:
        self.passed, self.failed = 0, 0

    def check(self, what: str, check: Callable[[], object]) -> None:
        """Runs one; what it raises is why it fails."""
        try:
            check()
        except (AssertionError, Failed, OSError, ValueError, LookupError, RuntimeError) as error:
            self.failed += 1
            print(f"FAIL  {what}: {str(error) or repr(error)}", flush=True)
        else:
            self.passed += 1
            print(f"ok    {what}", flush=True)

    def end(self, name: str) -> int:
        """The last line; the status to end with."""
        print(f"{name}: {self.passed} passed, {self.failed} failed", flush=True)
        return int(self.failed > 0)


def command(*words: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Runs a program; what it says where it fails is why."""
    argv = [str(word) for word in words]
    said = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if said.returncode != 0:
        raise AssertionError(
            f"{Path(argv[0]).name} ended with {said.returncode}\n{said.stdout[-3000:]}{said.stderr[-3000:]}"
        )
    return said.stdout + said.stderr

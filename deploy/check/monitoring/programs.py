"""Programs that run beside the check, and end with it."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from report import Wrong


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


class Programs:
    """Started one by one, ended in reverse by their own ids."""

    def __init__(self, place: Path):
        self.place = place
        self.running: list[tuple[str, subprocess.Popen]] = []

    def start(self, name: str, command: list, ready: str, env: dict | None = None, stdout: Path | None = None) -> None:
        """Runs `command` until `ready` answers with success. What it says is kept in a file."""
        said = (self.place / f"{name}.log").open("w")
        out = stdout.open("w") if stdout else said
        words = [str(word) for word in command]
        self.running.append((name, subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=said, env=env)))
        self._wait(name, ready)

    def _wait(self, name: str, ready: str) -> None:
        process = self.running[-1][1]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise Wrong(f"{name} ends with {process.returncode}: {self.last_words(name)}")
            try:
                if urllib.request.urlopen(ready, timeout=2).status < 400:
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise Wrong(f"{name} is not ready after 60 s: {self.last_words(name)}")

    def last_words(self, name: str) -> str:
        return " | ".join((self.place / f"{name}.log").read_text().splitlines()[-4:])[:600]

    def end(self) -> None:
        for _, process in reversed(self.running):
            process.terminate()
        for _, process in reversed(self.running):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running.clear()

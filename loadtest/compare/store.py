"""The store that stands in for S3, on the load generator's core: its files, its two servers, and who asked what."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

SIZES = {
    "2KiB": 2 * KIB,
    "64KiB": 64 * KIB,
    "512KiB": 512 * KIB,
    "1MiB": MIB,
    "4MiB": 4 * MIB,
    "8MiB": 8 * MIB,
    "64MiB": 64 * MIB,
}

# Segments of a title that many watch: 32 MiB, so that every cache has room for it.
LIVE = 64

# What the slow store does to the object that everybody waits for.
FIRST_BYTE_DELAY = 0.2
BODY_TAKES = 0.4

HERE = Path(__file__).parent


def make(media: Path) -> None:
    """Writes the files. Their bytes are random: a wrong one is never right by chance, and nothing compresses."""
    bucket = media / "bucket"
    (bucket / "live").mkdir(parents=True)
    for name, size in SIZES.items():
        (bucket / f"{name}.m4s").write_bytes(os.urandom(size))
    for number in range(LIVE):
        (bucket / "live" / f"{number}.m4s").write_bytes(os.urandom(SIZES["512KiB"]))


def path(size: str) -> str:
    """The URL path of the file of a size."""
    return f"/bucket/{size}.m4s"


def cold_path(size: str, name: str) -> str:
    """The URL path of an object that nobody has asked for, if `name` is new."""
    return f"/bucket/cold-{size}/{name}.m4s"


def live_path(number: int) -> str:
    """The URL path of a segment of the title that many watch."""
    return f"/bucket/live/{number % LIVE}.m4s"


@dataclass
class Asked:
    """The store's access log, read from where it was read last."""

    log: Path
    read: int = 0

    def gets(self, part: str = "") -> int:
        """GETs since the last call whose path contains `part`; those for other paths are forgotten too."""
        time.sleep(0.1)  # a line is written when the answer is through, a moment after it arrived
        if not self.log.exists():
            return 0
        with self.log.open("rb") as log:
            log.seek(self.read)
            text = log.read()
            self.read += len(text)
        wanted = part.encode()
        return sum(line.startswith(b"GET ") and wanted in line for line in text.splitlines())


def slow_argv(port: int, file: Path, log: Path) -> list[str]:
    """The command of the slow store."""
    delays = [str(FIRST_BYTE_DELAY), str(BODY_TAKES)]
    return [sys.executable, str(HERE / "slow_store.py"), str(port), str(file), str(log), *delays]

"""A store that takes its time: every object is the same file, its first byte late, its body paced.

The time between an answer's first byte and its last is where an origin either streams to all who wait or lets them
wait for the end. nginx cannot delay a first byte, hence this one.

    python3 slow_store.py PORT FILE LOG FIRST_BYTE_DELAY BODY_TAKES
"""

from __future__ import annotations

import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PIECE = 64 << 10
ETAG = '"slow-1"'


class Slow(BaseHTTPRequestHandler):
    """Answers GET, with a range or without."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    content: bytes
    log: Path
    first_byte_delay: float
    body_takes: float

    def do_GET(self) -> None:
        """One object, or one range of it."""
        total = len(self.content)
        begin, end = 0, total
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            begin, end = int(asked[1]), min(total, int(asked[2] or total - 1) + 1)
        time.sleep(self.first_byte_delay)
        with self.log.open("a") as log:
            log.write(f"GET {206 if asked else 200} {self.path}\n")
        self.send_response(206 if asked else 200)
        self.send_header("Content-Type", "video/iso.segment")
        self.send_header("Content-Length", str(end - begin))
        self.send_header("Last-Modified", "Mon, 06 Jan 2025 00:00:00 GMT")
        self.send_header("ETag", ETAG)
        self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{total}")
        self.end_headers()
        self.pace(begin, end)

    def pace(self, begin: int, end: int) -> None:
        """Sends the body at a constant rate, its first piece at once."""
        started = time.monotonic()
        rate = len(self.content) / self.body_takes
        for at in range(begin, end, PIECE):
            wait = started + (at - begin) / rate - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            self.wfile.write(self.content[at : min(at + PIECE, end)])

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the log is written above."""


class Server(ThreadingHTTPServer):
    """One thread a connection; none of them keeps the process."""

    daemon_threads = True
    request_queue_size = 1024


def main() -> None:
    """Serves until it is ended."""
    port, file, log, delay, takes = sys.argv[1:]
    Slow.content = Path(file).read_bytes()
    Slow.log = Path(log)
    Slow.first_byte_delay, Slow.body_takes = float(delay), float(takes)
    Server(("127.0.0.1", int(port)), Slow).serve_forever()


if __name__ == "__main__":
    main()

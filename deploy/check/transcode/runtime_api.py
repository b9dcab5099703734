"""The side of Lambda that a function's runtime client speaks to: it asks for events and tells what came of them."""

from __future__ import annotations

import json
import queue
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VERSION = "/2018-06-01/runtime"


class RuntimeApi:
    """Hands out one event at a time, as Lambda does."""

    def __init__(self) -> None:
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()
        self.outcomes: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _speaker(self))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """What AWS_LAMBDA_RUNTIME_API holds."""
        return f"127.0.0.1:{self.server.server_port}"

    def invoke(self, event: dict[str, Any], seconds: float) -> tuple[str, Any]:
        """Has the function handle an event: "response" or "error", and what it said."""
        self.events.put(event)
        return self.outcomes.get(timeout=seconds)

    def close(self) -> None:
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


def _speaker(api: RuntimeApi) -> type[BaseHTTPRequestHandler]:
    class Speaker(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != f"{VERSION}/invocation/next":
                self.send_error(404)
                return
            body = json.dumps(api.events.get()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Lambda-Runtime-Aws-Request-Id", f"check-{time.monotonic_ns()}")
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + 900) * 1000)))
            self.send_header(
                "Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:transcode"
            )
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()
            api.outcomes.put((self.path.rpartition("/")[2], json.loads(body)))

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    return Speaker

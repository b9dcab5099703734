"""Where Alertmanager rings: alerts are shown in the terminal, and remembered for who waits for one."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from processes import Failed


class Pager:
    """Listens on a port of this machine until it is closed."""

    def __init__(self, port: int) -> None:
        self.rung: list[tuple[str, str]] = []
        self._changed = threading.Condition()
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), _listener(self))
        except OSError as error:
            raise Failed(f"port {port} of 127.0.0.1 is taken: {error}; --free takes ports that are not") from error
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def ring(self, status: str, name: str, summary: str) -> None:
        """Shows and remembers one."""
        print(f"alert {status}: {name}: {summary}", flush=True)
        with self._changed:
            self.rung.append((status, name))
            self._changed.notify_all()

    def await_ring(self, status: str, name: str, seconds: float) -> None:
        """Waits until an alert fires or is resolved. Raises Failed where it does not."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while (status, name) not in self.rung:
                if not self._changed.wait(max(0.0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                    raise Failed(f"{name} is not {status} after {seconds:.0f} s; what rang: {self.rung}")

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()


def _listener(pager: Pager) -> type[BaseHTTPRequestHandler]:
    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            for alert in told["alerts"]:
                pager.ring(alert["status"], alert["labels"]["alertname"], alert["annotations"].get("summary", ""))

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    return Listener

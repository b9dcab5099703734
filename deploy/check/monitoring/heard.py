"""Who is told of alerts: PagerDuty, Slack and the watchdog's service, as far as Alertmanager can tell."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from report import Wrong


class Heard:
    def __init__(self):
        self.calls: list[tuple[str, dict, str]] = []  # whom, what, with which Authorization
        heard = self.calls

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                heard.append((self.path.strip("/"), json.loads(body), self.headers.get("authorization", "")))
                # PagerDuty says 202 and why; Slack wants nothing but success.
                said = b'{"status":"success","message":"Event processed","dedup_key":"x"}'
                self.send_response(202 if "pagerduty" in self.path else 200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def wait(self, whom: str, wanted, seconds: float) -> tuple[dict, str]:
        """The first thing that `whom` was told and `wanted` takes; Wrong where that does not come in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for told, what, authorization in list(self.calls):
                if told == whom and wanted(what):
                    return what, authorization
            time.sleep(0.2)
        raise Wrong(f"{whom} was not told within {seconds:.0f} s; of {len(self.calls)} messages heard so far none fits")

"""The work over TLS 1.3: hits over HTTP/1.1 and HTTP/2, handshakes, connections that idle."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass

import procs
import store
import wrk
from bench import Bench
from checks import check, fetch
from crowds import await_held, crowd, end
from meter import Figures, metered
from misbehaved import Misbehaved
from servers import Server, program
from throughput import HIT_CONNECTIONS, WARM, all_whole, rates

# As many requests at once as over HTTP/1.1.
H2_CONNECTIONS, H2_STREAMS = 8, 4
PATIENCE = 15.0
REST = 1.0


@dataclass(frozen=True)
class SecureHits:
    """An object that is in memory, again and again, over TLS."""

    size: str
    h2: bool = False

    def prepare(self, bench: Bench, server: Server) -> None:
        """Checks the bytes, and gives the server the time to see what is asked for often."""
        path = store.path(self.size)
        check(server, path, bench.content(path))
        _check_secure(bench, server, path)
        self._run(bench, server, WARM)

    def measure(self, bench: Bench, server: Server) -> Figures:
        """One run."""
        one = fetch(server, store.path(self.size))
        with metered(bench, server) as spent:
            outcome = self._run(bench, server, bench.scale.seconds)
        all_whole(server, outcome, len(one.body))
        figures = spent.figures(outcome.requests, outcome.bytes)
        measured = rates(outcome)
        if self.h2:
            # h2load tells neither.
            measured = {name: value for name, value in measured.items() if name not in ("p50_ms", "p99_ms")}
        return measured | figures

    def _run(self, bench: Bench, server: Server, seconds: float) -> wrk.Outcome:
        load = wrk.Load(server, bench.load_core, HIT_CONNECTIONS, seconds, secure=True)
        path = store.path(self.size)
        return _h2load(load, path) if self.h2 else wrk.run(load, path, "hit")


@dataclass(frozen=True)
class Handshakes:
    """A connection for every request, and no memory of earlier ones."""

    size: str = "2KiB"

    def prepare(self, bench: Bench, server: Server) -> None:
        """Checks the bytes."""
        _check_secure(bench, server, store.path(self.size))

    def measure(self, bench: Bench, server: Server) -> Figures:
        """One run."""
        one = fetch(server, store.path(self.size))
        load = wrk.Load(server, bench.load_core, HIT_CONNECTIONS, bench.scale.seconds, secure=True)
        with metered(bench, server) as spent:
            outcome = wrk.run(load, store.path(self.size), "close")
        all_whole(server, outcome, len(one.body))
        return rates(outcome) | spent.figures(outcome.requests, outcome.bytes)


@dataclass(frozen=True)
class SecureIdle:
    """Connections with TLS that asked once and stay: what does each hold?"""

    size: str = "2KiB"

    def prepare(self, bench: Bench, server: Server) -> None:
        """Checks the bytes."""
        _check_secure(bench, server, store.path(self.size))

    def measure(self, bench: Bench, server: Server) -> Figures:
        """Resident bytes with the crowd, less those without."""
        count = bench.scale.idle
        time.sleep(REST)
        files = procs.anonymous_files(server.pid)
        base = procs.resident(server.pid, files)
        path, length = store.path(self.size), store.SIZES[self.size]
        with crowd(bench, server, "hold-tls", path, length, count, port=server.place.tls_port) as process:
            await_held(server, process)
            time.sleep(REST)
            grown = procs.resident(server.pid, files) - base
            end(server, process)
        return {"kib_per_connection": grown / count / store.KIB, "base_rss_mib": base / store.MIB}


def _check_secure(bench: Bench, server: Server, path: str) -> None:
    """Fetches an object over TLS 1.3 and compares it."""
    context = ssl.create_default_context(cafile=str(bench.scratch / "tls" / "chain.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    received = bytearray()
    try:
        plain = socket.create_connection(("127.0.0.1", server.place.tls_port), timeout=PATIENCE)
        with plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as conn:
            conn.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            while some := conn.recv(1 << 20):
                received += some
    except OSError as error:
        raise Misbehaved(f"{server.name}: {path} over TLS: {error}") from error
    body = bytes(received).partition(b"\r\n\r\n")[2]
    if hashlib.sha256(body).digest() != hashlib.sha256(bench.content(path)).digest():
        raise Misbehaved(f"{server.name}: {path} over TLS: not the bytes of the file ({len(body)} bytes)")


def _h2load(load: wrk.Load, path: str) -> wrk.Outcome:
    seconds = max(1, round(load.seconds))
    options = ["-t1", f"-c{H2_CONNECTIONS}", f"-m{H2_STREAMS}", f"-D{seconds}"]
    command = ["taskset", "-c", str(load.core), program("h2load"), *options, load.server.url(path, secure=True)]
    spent = wrk.children_cpu()
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=seconds + PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        raise Misbehaved(f"{load.server.name}: h2load does not end within {seconds + PATIENCE:.0f} s") from error
    requests = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", ran.stdout)
    data = re.search(r"\((\d+)\) data", ran.stdout)
    if ran.returncode != 0 or not requests or not data or "Application protocol: h2" not in ran.stdout:
        raise Misbehaved(f"{load.server.name}: h2load said: {(ran.stdout + ran.stderr).strip()[-500:]}")
    good, *bad = (int(number) for number in requests.groups())
    if any(bad):
        raise Misbehaved(f"{load.server.name}: h2load: {requests[0]}")
    # What was under way when the time was up counts as data, not as a request.
    whole = int(data[1])
    return wrk.Outcome(good, whole, seconds, 0.0, 0.0, wrk.children_cpu() - spent)

"""A client of many connections, in one process. Each answer's status and length are checked, its bytes thrown away.

    client.py join PORT PATH LENGTH CONNECTIONS
        all ask for one object at once: when did each get its first byte?
    client.py hold PORT PATH LENGTH CONNECTIONS
        each asks once and stays connected, until this process reads a line
    client.py hold-tls PORT PATH LENGTH CONNECTIONS
        the same, with TLS 1.3
    client.py watch PORT FOLDER LENGTH CONNECTIONS PERIOD SECONDS NAMES
        each asks for a segment every PERIOD seconds, evenly spread, out of NAMES segments in FOLDER

Writes one line of JSON. Ends with status 1 and a sentence where an answer was wrong.
"""

from __future__ import annotations

import json
import re
import resource
import select
import socket
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

# The body is discarded in the kernel (MSG_TRUNC), so these bytes are never written: they are address space alone.
SINK = bytearray(8 << 20)
HEAD = 2048

# As many connections to one port as a source address has ports for, with room to spare.
PER_SOURCE = 5000
# Takes the source port at connect, where one that waits out an earlier connection to another server is free to use.
IP_BIND_ADDRESS_NO_PORT = 24
CONNECT_AT_ONCE = 250
PATIENCE = 60.0

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
READ, EDGE = select.EPOLLIN, select.EPOLLIN | select.EPOLLET


class Wrong(Exception):
    """An answer that is none, or not the one asked for."""


@dataclass(slots=True)
class Connection:
    """One connection and the answer it waits for."""

    sock: socket.socket
    head: bytes = b""
    # Bytes of the body to come; None before the head is whole.
    missing: int | None = None
    busy: bool = False
    asked: float = 0.0
    first_byte: float = 0.0

    def ask(self, request: bytes) -> None:
        """Sends a request. It is shorter than any socket's buffer."""
        self.head, self.missing, self.busy, self.first_byte = b"", None, True, 0.0
        self.asked = time.monotonic()
        if self.sock.send(request) != len(request):
            raise Wrong("a request did not fit the socket's buffer")

    def take(self, length: int) -> bool:
        """Takes what has arrived; true once the answer is whole."""
        try:
            if self.missing is None:
                self.head += self._some(self.sock.recv(HEAD))
                end = self.head.find(b"\r\n\r\n")
                if end < 0:
                    return False
                self.missing = judge(self.head[:end], length) - (len(self.head) - end - 4)
            if self.missing > 0:
                self.missing -= self._counted(min(self.missing, len(SINK)))
        except BlockingIOError:
            return False
        if self.missing < 0:
            raise Wrong(f"{-self.missing} bytes more than content-length says")
        self.busy = self.missing > 0
        return not self.busy

    def _some(self, data: bytes) -> bytes:
        if not data:
            raise Wrong("the connection ended before the answer")
        return data

    def _counted(self, most: int) -> int:
        count = self.sock.recv_into(SINK, most, socket.MSG_TRUNC)
        if count == 0:
            raise Wrong(f"the connection ended {self.missing} bytes before the answer's end")
        return count


def judge(head: bytes, length: int) -> int:
    """The body's length; raises Wrong where head or length are not what they should be."""
    if not head.startswith(b"HTTP/1.1 200"):
        raise Wrong(f"status line {head.splitlines()[0]!r}")
    found = LENGTH.search(head)
    if not found or int(found[1]) != length:
        raise Wrong(f"content-length {found and int(found[1])} instead of {length}")
    return length


def request_for(port: int, path: str) -> bytes:
    """A request as a CDN makes it."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()


@dataclass
class Crowd:
    """Connections, and the one epoll that waits for them."""

    port: int
    length: int
    poll: select.epoll = field(default_factory=select.epoll)
    by_fd: dict[int, Connection] = field(default_factory=dict)

    def connect(self, count: int) -> list[Connection]:
        """Opens connections, and tells of the new ones."""
        opened = []
        for number in range(len(self.by_fd), len(self.by_fd) + count):
            sock = socket.socket()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((f"127.0.0.{2 + number // PER_SOURCE}", 0))
            sock.settimeout(PATIENCE)
            sock.connect(("127.0.0.1", self.port))
            sock.setblocking(False)
            opened.append(Connection(sock))
        for connection in opened:
            self.by_fd[connection.sock.fileno()] = connection
            self.poll.register(connection.sock, READ)
        return opened

    def take_until_whole(self, waiting: int) -> None:
        """Reads until as many answers are whole."""
        deadline = time.monotonic() + PATIENCE
        while waiting:
            waiting -= self.turn(deadline - time.monotonic())
            if time.monotonic() > deadline:
                raise Wrong(f"{waiting} answers are not whole after {PATIENCE:.0f} s")

    def turn(self, timeout: float) -> int:
        """Waits for what arrives and takes it; the number of answers that became whole."""
        events = self.poll.poll(max(0.0, timeout), 1024)
        # One time for all of them: they had arrived when poll returned.
        now = time.monotonic()
        whole = 0
        for fd, _ in events:
            connection = self.by_fd[fd]
            if not connection.busy:
                raise Wrong("bytes or an end that nobody asked for, on an idle connection")
            connection.first_byte = connection.first_byte or now
            whole += connection.take(self.length)
        return whole

    def first_bytes(self, at_most: float) -> None:
        """Notes who has a first byte, and reads nothing meanwhile: reading would delay the noting.

        Ends once all have one, or `at_most` seconds after the first.
        """
        for fd in self.by_fd:
            self.poll.modify(fd, EDGE)
        without, ends = len(self.by_fd), time.monotonic() + PATIENCE
        first = 0.0
        while without and (now := time.monotonic()) < ends:
            events = self.poll.poll(ends - now, len(self.by_fd))
            now = time.monotonic()
            if events and not first:
                first, ends = now, now + at_most
            for fd, _ in events:
                connection = self.by_fd[fd]
                without -= not connection.first_byte
                connection.first_byte = connection.first_byte or now
        for fd in self.by_fd:
            self.poll.modify(fd, READ)


def join(port: int, path: str, length: int, count: int) -> dict[str, float]:
    """All ask at once."""
    crowd = Crowd(port, length)
    for begin in range(0, count, CONNECT_AT_ONCE):
        crowd.connect(min(CONNECT_AT_ONCE, count - begin))
    request = request_for(port, path)
    everybody = list(crowd.by_fd.values())
    began = time.monotonic()
    for connection in everybody:
        connection.ask(request)
    asking = time.monotonic() - began
    crowd.first_bytes(at_most=0.5)
    crowd.take_until_whole(count)
    first = min(connection.first_byte for connection in everybody)
    lags = [(connection.first_byte - first) * 1e3 for connection in everybody]
    return {
        "asking_ms": asking * 1e3,
        "leader_first_byte_ms": (first - everybody[0].asked) * 1e3,
        "lag_p50_ms": percentile(lags, 50),
        "lag_p99_ms": percentile(lags, 99),
        "all_whole_ms": (time.monotonic() - began) * 1e3,
    }


def hold(port: int, path: str, length: int, count: int) -> dict[str, float]:
    """Each asks once and stays. Returns when a line is read."""
    crowd = Crowd(port, length)
    request = request_for(port, path)
    for begin in range(0, count, CONNECT_AT_ONCE):
        opened = crowd.connect(min(CONNECT_AT_ONCE, count - begin))
        for connection in opened:
            connection.ask(request)
        crowd.take_until_whole(len(opened))
    print("held", flush=True)
    sys.stdin.readline()
    if crowd.poll.poll(0, 1):
        raise Wrong("an idle connection did not stay open")
    return {}


def hold_tls(port: int, path: str, length: int, count: int) -> dict[str, float]:
    """As `hold`, with TLS 1.3."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    request = request_for(port, path)
    held = []
    for number in range(count):
        plain = socket.socket()
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        plain.bind((f"127.0.0.{2 + number // PER_SOURCE}", 0))
        plain.settimeout(PATIENCE)
        plain.connect(("127.0.0.1", port))
        conn = context.wrap_socket(plain)
        conn.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += _more(conn)
        head, _, body = received.partition(b"\r\n\r\n")
        missing = judge(head, length) - len(body)
        while missing > 0:
            missing -= len(_more(conn))
        held.append(conn)
    print("held", flush=True)
    sys.stdin.readline()
    poll = select.epoll()
    for conn in held:
        poll.register(conn, READ)
    if poll.poll(0, 1):
        raise Wrong("an idle connection did not stay open")
    return {}


def _more(conn: ssl.SSLSocket) -> bytes:
    some = conn.recv(64 << 10)
    if not some:
        raise Wrong("the connection ended before the answer")
    return some


def watch(port: int, folder: str, length: int, count: int, *paced: str) -> dict[str, float]:
    """Each asks every period; a viewer that is still busy by then stalls, and that is an error."""
    period, seconds, names = float(paced[0]), float(paced[1]), int(paced[2])
    crowd = Crowd(port, length)
    for begin in range(0, count, CONNECT_AT_ONCE):
        crowd.connect(min(CONNECT_AT_ONCE, count - begin))
    everybody = list(crowd.by_fd.values())
    requests = [request_for(port, f"{folder}/{number}.m4s") for number in range(names)]
    total, gap = round(count * seconds / period), period / count
    asked = whole = 0
    began = time.monotonic()
    first_bytes, late = [], []
    while whole < total:
        now = time.monotonic()
        if now > began + seconds + PATIENCE:
            raise Wrong(f"{total - whole} answers are not whole {PATIENCE:.0f} s after the last was asked for")
        while asked < total and began + asked * gap <= now:
            connection = everybody[asked % count]
            if connection.busy:
                raise Wrong(f"a viewer stalls: {length} bytes are not whole {period:.0f} s after they were asked for")
            if connection.first_byte:
                first_bytes.append((connection.first_byte - connection.asked) * 1e3)
            connection.ask(requests[asked % names])
            late.append((connection.asked - began - asked * gap) * 1e3)
            asked += 1
        whole += crowd.turn(began + asked * gap - time.monotonic() if asked < total else 1.0)
    wall = time.monotonic() - began
    first_bytes += [(connection.first_byte - connection.asked) * 1e3 for connection in everybody]
    return {
        "requests": total,
        "seconds": wall,
        "first_byte_p50_ms": percentile(first_bytes, 50),
        "first_byte_p99_ms": percentile(first_bytes, 99),
        "late_p99_ms": percentile(late, 99),
    }


def percentile(values: list[float], percent: float) -> float:
    """The value that so many percent of all do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def main() -> None:
    """Does what its arguments say."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    mode, port, path, length, count, *more = sys.argv[1:]
    modes: dict[str, Callable[..., dict[str, float]]] = {
        "join": join,
        "hold": hold,
        "hold-tls": hold_tls,
        "watch": watch,
    }
    try:
        said = modes[mode](int(port), path, int(length), int(count), *more)
    except (Wrong, OSError) as error:
        raise SystemExit(f"{error or type(error).__name__}") from error
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()

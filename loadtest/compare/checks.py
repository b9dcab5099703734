"""Before a server is measured: are its bytes the right ones? A fast wrong answer is worth nothing."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import dataclass

from misbehaved import Misbehaved
from servers import Server

PATIENCE = 20.0
LONGEST_HEAD = 16 << 10


@dataclass(frozen=True)
class Answer:
    """A response as it came over the socket."""

    status: int
    head: bytes
    body: bytes

    @property
    def wire_bytes(self) -> int:
        """Its length, head and body."""
        return len(self.head) + len(self.body)


def check(server: Server, path: str, content: bytes) -> None:
    """Fetches an object whole, a part of it, and whole again from the cache, and compares."""
    part = slice(len(content) // 3, len(content) // 3 + min(len(content) // 2, 65536))
    _same(server, f"{path} whole", fetch(server, path), 200, content)
    _same(server, f"{path} bytes {part.start}-{part.stop - 1}", fetch(server, path, part), 206, content[part])
    _same(server, f"{path} whole again", fetch(server, path), 200, content)


def _same(server: Server, what: str, answer: Answer, status: int, content: bytes) -> None:
    if answer.status != status:
        raise Misbehaved(f"{server.name}: {what}: status {answer.status} instead of {status}")
    if hashlib.sha256(answer.body).digest() != hashlib.sha256(content).digest():
        lengths = f"{len(answer.body)} bytes of {len(content)}"
        raise Misbehaved(f"{server.name}: {what}: not the bytes of the file ({lengths})")


def fetch(server: Server, path: str, part: slice | None = None) -> Answer:
    """Fetches an object, or a part of it, over a connection of its own.

    By hand, because the length of the head on the wire is wanted too.
    """
    asked = f"Range: bytes={part.start}-{part.stop - 1}\r\n" if part else ""
    host = f"127.0.0.1:{server.place.port}"
    try:
        with socket.create_connection(("127.0.0.1", server.place.port), timeout=PATIENCE) as conn:
            conn.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{asked}\r\n".encode())
            return _receive(conn)
    except (OSError, ValueError) as error:
        raise Misbehaved(f"{server.name}: {path}: {error}") from error


def _receive(conn: socket.socket) -> Answer:
    received = bytearray()
    while b"\r\n\r\n" not in received:
        if len(received) > LONGEST_HEAD:
            raise ValueError("the head of the answer does not end")
        received += _some(conn)
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
    length = int(fields.get(b"content-length", b"-1"))
    if length < 0:
        raise ValueError("no content-length")
    parts = [body]
    missing = length - len(body)
    while missing > 0:
        parts.append(_some(conn))
        missing -= len(parts[-1])
    return Answer(int(head.split()[1]), head + b"\r\n\r\n", b"".join(parts))


def _some(conn: socket.socket) -> bytes:
    some = conn.recv(1 << 20)
    if not some:
        raise ValueError("the connection ended within the answer")
    return some

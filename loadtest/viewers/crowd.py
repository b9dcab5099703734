"""Viewers, thousands of them in one process. Each answer's status and length are checked, its bytes thrown away.

    crowd.py PORT FOLDER PREFIX VIEWERS RAMP SECONDS SEED

A viewer has one connection. It joins within the ramp, picks a title (few are watched by most, as everywhere), and asks as a
player does: multivariant playlist, playlists of picture and sound, init segments, the first segments at once and every
further one when it is due. After a segment one in ten changes its rendition. At the end of a title it picks another.

Writes one line of JSON.
"""

from __future__ import annotations

import heapq
import json
import random
import resource
import select
import socket
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import titles
from titles import File, Title, Track

sys.path.append(str(Path(__file__).resolve().parents[1] / "compare"))

from client import IP_BIND_ADDRESS_NO_PORT, PATIENCE, PER_SOURCE, Connection, Wrong, percentile, request_for

SWITCHES = 0.1
# Segments that are got before the first is over.
AHEAD = 2
# Different errors that are told.
ERRORS_TOLD = 5


@dataclass(slots=True)
class Viewer:
    """One viewer, and what it waits for."""

    number: int
    conn: Connection
    title: Title
    picture: Track
    # What to ask for next, in order; the first is being answered.
    wants: deque[File] = field(default_factory=deque)
    # Tracks whose playlist and init segment are there.
    known: set[int] = field(default_factory=set)
    segment: int = 0
    # When the next segment must be asked for.
    due: float = 0.0
    # When it asked for the title; 0 once the first segment is there.
    joined: float = 0.0


@dataclass
class Seen:
    """What all viewers saw."""

    first_bytes: dict[str, list[float]] = field(default_factory=lambda: {"playlist": [], "init": [], "segment": []})
    startups: list[float] = field(default_factory=list)
    # How late this process itself asked: its own share in what is above.
    late: list[float] = field(default_factory=list)
    bytes: int = 0
    stalls: int = 0
    errors: Counter[str] = field(default_factory=Counter)


class Crowd:
    """All viewers, and the one epoll that waits for them."""

    def __init__(self, port: int, choice: list[Title], seed: int) -> None:
        self.port, self.choice = port, choice
        # The nth title is watched 1/n as often as the first.
        self.weights = list(accumulate(1 / (rank + 1) for rank in range(len(choice))))
        self.random = random.Random(seed)
        self.poll = select.epoll()
        self.by_fd: dict[int, Viewer] = {}
        self.seen = Seen()
        # (when, who), of those who wait for time and not for bytes.
        self.waiting: list[tuple[float, int]] = []
        self.viewers: dict[int, Viewer] = {}
        self.requests: dict[str, bytes] = {}

    def run(self, count: int, ramp: float, seconds: float) -> float:
        """Lets them watch, and returns how long that took. Nobody asks any more when the time is over."""
        began = time.monotonic()
        self.waiting = [(began + ramp * number / count, number) for number in range(count)]
        end = began + seconds
        while (now := time.monotonic()) < end:
            while self.waiting and self.waiting[0][0] <= now:
                due, number = heapq.heappop(self.waiting)
                self.seen.late.append((now - due) * 1e3)
                self.act(number, now)
            until = min(end, self.waiting[0][0]) if self.waiting else end
            self.turn(max(0.0, until - time.monotonic()))
        last = time.monotonic() + PATIENCE
        while any(viewer.conn.busy for viewer in self.viewers.values()) and time.monotonic() < last:
            self.turn(0.1, closing=True)
        left = sum(viewer.conn.busy for viewer in self.viewers.values())
        if left:
            self.seen.errors["not whole at the end"] += left
        return time.monotonic() - began

    def act(self, number: int, now: float) -> None:
        """A viewer's time has come: it joins, or asks for the next segment."""
        viewer = self.viewers.get(number)
        if viewer is None:
            title = self.choice[0]
            viewer = self.viewers[number] = Viewer(number, self.connect(number), title, title.pictures[0])
            self.by_fd[viewer.conn.sock.fileno()] = viewer
            self.join(viewer, now)
            return
        self.go_on(viewer, now)

    def join(self, viewer: Viewer, now: float) -> None:
        """Begins a title."""
        viewer.title = self.random.choices(self.choice, cum_weights=self.weights)[0]
        viewer.picture = self.random.choice(viewer.title.pictures)
        viewer.known.clear()
        viewer.segment, viewer.joined = 0, now
        viewer.wants.append(viewer.title.multivariant)
        for _ in range(AHEAD):
            self.want_segment(viewer)
        viewer.due = now + viewer.picture.lasts[0]
        self.ask(viewer)

    def go_on(self, viewer: Viewer, now: float) -> None:
        """Asks for the next segment, or begins another title."""
        if viewer.segment == len(viewer.picture.segments):
            self.join(viewer, now)
            return
        if self.random.random() < SWITCHES:
            viewer.picture = self.random.choice(viewer.title.pictures)
        viewer.due += viewer.picture.lasts[viewer.segment]
        self.want_segment(viewer)
        self.ask(viewer)

    def want_segment(self, viewer: Viewer) -> None:
        """Picture and sound of one, and before them what is not known of their tracks."""
        for track in (viewer.picture, viewer.title.sound):
            if id(track) not in viewer.known:
                viewer.known.add(id(track))
                viewer.wants += [track.playlist, track.init]
        viewer.wants += [viewer.picture.segments[viewer.segment], viewer.title.sound.segments[viewer.segment]]
        viewer.segment += 1

    def ask(self, viewer: Viewer) -> None:
        """Sends the next request of a viewer."""
        path = viewer.wants[0].path
        request = self.requests.get(path)
        if request is None:
            request = self.requests[path] = request_for(self.port, path)
        try:
            viewer.conn.ask(request)
        except (OSError, Wrong) as error:
            self.fail(viewer, error)

    def turn(self, timeout: float, closing: bool = False) -> None:
        """Waits for what arrives and takes it."""
        events = self.poll.poll(timeout, 1024)
        # One time for all of them: they had arrived when poll returned.
        now = time.monotonic()
        for fd, _ in events:
            viewer = self.by_fd.get(fd)
            if viewer is None:
                continue
            conn = viewer.conn
            try:
                if not conn.busy:
                    raise Wrong("bytes or an end that nobody asked for, on an idle connection")
                conn.first_byte = conn.first_byte or now
                whole = conn.take(viewer.wants[0].length)
            except (OSError, Wrong) as error:
                self.fail(viewer, error)
                continue
            if whole:
                self.took(viewer, closing)

    def took(self, viewer: Viewer, closing: bool) -> None:
        """An answer is whole."""
        file, conn, seen = viewer.wants.popleft(), viewer.conn, self.seen
        seen.first_bytes[file.kind].append((conn.first_byte - conn.asked) * 1e3)
        seen.bytes += file.length
        if file.kind == "segment" and viewer.joined:
            seen.startups.append((time.monotonic() - viewer.joined) * 1e3)
            viewer.joined = 0.0
        if closing:
            return
        if viewer.wants:
            self.ask(viewer)
            return
        # A segment is asked for when the one before it begins to be shown, and needed when that is over.
        seen.stalls += time.monotonic() > viewer.due + viewer.picture.lasts[0]
        heapq.heappush(self.waiting, (viewer.due, viewer.number))

    def fail(self, viewer: Viewer, error: Exception) -> None:
        """Counts an error. The viewer comes back on a new connection, with another title."""
        self.seen.errors[str(error) or type(error).__name__] += 1
        del self.by_fd[viewer.conn.sock.fileno()]
        viewer.conn.sock.close()
        del self.viewers[viewer.number]
        heapq.heappush(self.waiting, (time.monotonic() + 1.0, viewer.number))

    def connect(self, number: int) -> Connection:
        """Opens a connection, from one of several addresses: one has not enough ports for all."""
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((f"127.0.0.{2 + number // PER_SOURCE}", 0))
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", self.port))
        sock.setblocking(False)
        conn = Connection(sock)
        self.poll.register(sock, select.EPOLLIN)
        return conn


def figures(crowd: Crowd, seconds: float) -> dict[str, object]:
    """What they come to."""
    seen = crowd.seen
    asked = {kind: len(values) for kind, values in seen.first_bytes.items()}
    all_first = [value for values in seen.first_bytes.values() for value in values]
    said: dict[str, object] = {
        "viewers": len(crowd.viewers),
        "seconds": seconds,
        "requests": sum(asked.values()),
        "bytes": seen.bytes,
    }
    said |= {f"{kind}s": count for kind, count in asked.items()}
    said |= {"starts": len(seen.startups), "stalls": seen.stalls, "errors": sum(seen.errors.values())}
    said["told"] = [f"{count} x {what}" for what, count in seen.errors.most_common(ERRORS_TOLD)]
    for name, values in (
        ("first_byte", all_first),
        ("segment", seen.first_bytes["segment"]),
        ("startup", seen.startups),
    ):
        # Where nothing came there is nothing to tell.
        said |= {f"{name}_p{percent}_ms": percentile(values, percent) if values else None for percent in (50, 95, 99)}
    said["crowd_cpu"] = time.process_time()
    said["late_p99_ms"] = percentile(seen.late, 99)
    return said


def main() -> None:
    """Does what its arguments say."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    port, folder, prefix, count, ramp, seconds, seed = sys.argv[1:]
    crowd = Crowd(int(port), titles.read(Path(folder), prefix), int(seed))
    took = crowd.run(int(count), float(ramp), float(seconds))
    print(json.dumps(figures(crowd, took)), flush=True)


if __name__ == "__main__":
    main()

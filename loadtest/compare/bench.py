"""What every row needs: the scale, the cores, the scratch folder, the store, and servers when it asks for them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import procs
import servers
import store
from certificate import make_certificate
from servers import Place, Room, Server
from store import Asked

# Memory, so that no disk has a say in what a cache or a log costs.
SCRATCH = Path("/dev/shm")
PREFIX = "caudal-compare."


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    rounds: int
    seconds: float
    joiners: int
    idle: int
    closed: int
    closed_wait: float
    churn: int
    viewers: int
    viewing: float
    slow: int
    beset: int
    hostile: int


FULL = Scale(
    rounds=5,
    seconds=3,
    joiners=1000,
    idle=10_000,
    closed=9_000,
    closed_wait=60,
    churn=8 * store.GIB,
    viewers=10_000,
    viewing=20,
    slow=2_000,
    beset=1_000,
    hostile=100,
)
QUICK = Scale(
    rounds=1,
    seconds=1,
    joiners=200,
    idle=1_000,
    closed=900,
    closed_wait=5,
    churn=store.GIB,
    viewers=1_000,
    viewing=8,
    slow=200,
    beset=100,
    hostile=20,
)


@dataclass
class Bench:
    """One run of the bench."""

    scale: Scale
    server_core: int
    load_core: int
    scratch: Path
    store: Server
    slow_store: Server
    asked: Asked
    asked_slowly: Asked
    # Makes names that no earlier run can have used.
    token: str = field(default_factory=lambda: f"{time.time_ns():x}")
    _names: int = 0

    @property
    def media(self) -> Path:
        """Where the files lie."""
        return self.scratch / "media"

    def content(self, path: str) -> bytes:
        """The bytes of a file, by its URL path."""
        return (self.media / path.lstrip("/")).read_bytes()

    def fresh_name(self) -> str:
        """A name that no object has had."""
        self._names += 1
        return f"{self.token}-{self._names}"

    @contextmanager
    def server(self, name: str, room: Room, slow: bool = False) -> Iterator[Server]:
        """A server that starts empty and ends with the context."""
        port, admin_port, tls_port = servers.free_ports(3)
        behind = self.slow_store if slow else self.store
        place = Place(
            scratch=self.scratch / f"{name}.{self.fresh_name()}",
            media=self.media,
            port=port,
            admin_port=admin_port,
            tls_port=tls_port,
            tls=self.scratch / "tls",
            store_port=behind.place.port,
            memory_mib=room.memory_mib,
            keys_kib=room.keys_kib,
        )
        try:
            server = servers.start(name, place, self.server_core)
            try:
                yield server
            finally:
                server.stop()
        finally:
            shutil.rmtree(place.scratch, ignore_errors=True)


@contextmanager
def opened(scale: Scale, cores: tuple[int, int]) -> Iterator[Bench]:
    """A bench with its store running. Whatever happens, nothing of it is left behind."""
    remove_leftovers()
    scratch = SCRATCH / f"{PREFIX}{os.getpid()}"
    scratch.mkdir()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        store.make(scratch / "media")
        fast_port, slow_port = servers.free_ports(2)
        make_certificate(scratch / "tls")
        fast = Place(scratch / "store", scratch / "media", fast_port, 0, 0, 0, scratch / "tls")
        slow = Place(scratch / "slow-store", scratch / "media", slow_port, 0, 0, 0, scratch / "tls")
        fast_store = servers.start("store", fast, cores[1])
        stack.callback(fast_store.stop)
        slow_store = start_slow_store(slow, cores[1])
        stack.callback(slow_store.stop)
        asked = Asked(fast.scratch / "access.log")
        asked_slowly = Asked(slow.scratch / "access.log")
        yield Bench(scale, *cores, scratch, fast_store, slow_store, asked, asked_slowly)


def start_slow_store(place: Place, core: int) -> Server:
    """Starts the store that takes its time."""
    place.scratch.mkdir()
    file = place.media / store.path("4MiB").lstrip("/")
    out = place.scratch / "output"
    argv = store.slow_argv(place.port, file, place.scratch / "access.log")
    server = Server("slow-store", procs.spawn(argv, core, out), place)
    try:
        servers.await_listening(server, procs.errors_of(out))
    except BaseException:
        server.stop()
        raise
    return server


def remove_leftovers() -> None:
    """Removes what a bench left that was killed: memory, until somebody does."""
    for folder in SCRATCH.glob(f"{PREFIX}*"):
        if not Path(f"/proc/{folder.suffix[1:]}").exists():
            shutil.rmtree(folder, ignore_errors=True)

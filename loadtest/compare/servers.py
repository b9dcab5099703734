"""The servers: how each is configured, started and asked for its version. Start at KINDS."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Template

import procs
from misbehaved import Misbehaved

HERE = Path(__file__).parent
REPO = HERE.parent.parent
START_TAKES = 15.0
PORTS = (20_000, 30_000)

# Varnish has a thread for every request under way. Its manual advises to keep as many as the peak needs.
VARNISH = [
    *("-p", "feature=+http2"),
    *("-p", "thread_pools=1"),
    *("-p", "thread_pool_min=1000"),
    *("-p", "thread_pool_max=5000"),
    *("-p", "listen_depth=4096"),
    *("-p", "timeout_idle=125"),
]


@dataclass(frozen=True)
class Room:
    """What a cache is given, and how many objects fill that: nginx wants to be told."""

    memory_mib: int = 512
    objects: int = 8192

    @property
    def keys_kib(self) -> int:
        """What nginx takes to know of so many objects: 31 to a page, and some for its own."""
        return self.objects * 4 // 31 + 32


@dataclass(frozen=True)
class Place:
    """What a server is told of where it runs. The fields are the names that templates use."""

    scratch: Path
    media: Path
    port: int
    admin_port: int
    tls_port: int
    store_port: int
    # The chain and the key.
    tls: Path
    memory_mib: int = 0
    keys_kib: int = 0
    config: Path = HERE / "config"


@dataclass(frozen=True)
class Kind:
    """One way to run one program."""

    template: str
    argv: Callable[[Path, Place], list[str]]
    version: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    variant: str = ""


def _nginx(config: Path, place: Place) -> list[str]:
    return ["nginx", "-p", str(place.scratch), "-e", str(place.scratch / "error.log"), "-c", str(config)]


def _varnish(config: Path, place: Place) -> list[str]:
    listen, store = f"127.0.0.1:{place.port}", f"malloc,{place.memory_mib}m"
    work = str(place.scratch / "work")
    return ["varnishd", "-F", "-j", "none", "-n", work, "-a", listen, "-f", str(config), "-s", store, *VARNISH]


def _caddy(config: Path, _: Place) -> list[str]:
    return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(config)]


def _caudal(config: Path, _: Place) -> list[str]:
    return [program("caudal"), "serve", "--config", str(config)]


# The store checks no signatures, but a client of S3 insists on making them.
_KEYS = (("AWS_ACCESS_KEY_ID", "compare"), ("AWS_SECRET_ACCESS_KEY", "compare"), ("AWS_EC2_METADATA_DISABLED", "true"))

KINDS = {
    "caudal": Kind("caudal.toml", _caudal, ("caudal", "--version"), _KEYS, "hot"),
    "caudal-all": Kind("caudal.toml", _caudal, ("caudal", "--version"), _KEYS, "all"),
    "caudal-off": Kind("caudal.toml", _caudal, ("caudal", "--version"), _KEYS, "off"),
    "nginx": Kind("nginx.conf", _nginx, ("nginx", "-v"), variant="on"),
    "nginx-uncorked": Kind("nginx.conf", _nginx, ("nginx", "-v"), variant="off"),
    "nginx-slice": Kind("nginx-cache.conf", _nginx, ("nginx", "-v"), variant="slice"),
    "nginx-whole": Kind("nginx-cache.conf", _nginx, ("nginx", "-v"), variant="whole"),
    "varnish": Kind("varnish.vcl", _varnish, ("varnishd", "-V")),
    "caddy": Kind("Caddyfile", _caddy, ("caddy", "version"), (("GOMAXPROCS", "1"),)),
    "store": Kind("store.conf", _nginx, ("nginx", "-v")),
}

# Programs that are not looked for in PATH.
PROGRAMS = {
    "caudal": Path(os.environ.get("CARGO_TARGET_DIR", REPO / "target"), "release", "caudal"),
    "caddy": REPO / ".tools/venv/bin/caddy",
    "h3load": Path(os.environ.get("CARGO_TARGET_DIR", REPO / "target"), "h3load", "release", "h3load"),
}


def program(name: str) -> str:
    """The path of a program. The bench ends where there is none."""
    path = PROGRAMS.get(name) or shutil.which(name)
    if path is None or not Path(path).exists():
        raise SystemExit(f"{path or name} is missing: `make compare` gets it")
    return str(path)


def versions(names: Iterable[str]) -> dict[str, str]:
    """What the programs behind these servers say of themselves."""
    return {KINDS[name].version[0]: _version(name) for name in names}


def _version(name: str) -> str:
    command, *args = KINDS[name].version
    said = subprocess.run([program(command), *args], capture_output=True, text=True, timeout=10, check=False)
    if said.returncode != 0:
        raise SystemExit(f"{program(command)} does not run: {(said.stdout + said.stderr).strip()}")
    # "nginx version: nginx/1.22.1", "varnishd (varnish-7.1.1 revision …)", "v2.11.7 h1:…"
    found = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
    return found[0] if found else "of an unknown version"


class _AtTemplate(Template):
    """`@{name}`: the dollar is a word of every one of these languages."""

    delimiter = "@"


@dataclass
class Server:
    """One that runs."""

    name: str
    process: subprocess.Popen[bytes]
    place: Place

    @property
    def pid(self) -> int:
        """Its first process; others may be below it."""
        return self.process.pid

    def url(self, path: str, secure: bool = False) -> str:
        """The URL of a path on this server."""
        if secure:
            return f"https://127.0.0.1:{self.place.tls_port}{path}"
        return f"http://127.0.0.1:{self.place.port}{path}"

    def stop(self) -> None:
        """Ends it."""
        procs.stop(self.process)

    def empty_log(self) -> None:
        """Empties the access log, which grows by megabytes a second in memory that the bench shares."""
        log = self.place.scratch / "access.log"
        if log.exists():
            with log.open("r+b") as file:
                file.truncate()


def start(name: str, place: Place, core: int) -> Server:
    """Starts a server and waits until it listens.

    Raises Misbehaved, with what it said, where it ends instead.
    """
    kind = KINDS[name]
    place.scratch.mkdir(parents=True)
    config = place.scratch / kind.template
    config.write_text(_AtTemplate((place.config / kind.template).read_text()).substitute(_fields(place, kind)))
    log = place.scratch / "access.log" if kind.version[0] == "caudal" else place.scratch / "output"
    env = {**dict(kind.env), "HOME": str(place.scratch), "XDG_DATA_HOME": str(place.scratch)}
    server = Server(name, procs.spawn(kind.argv(config, place), core, log, env), place)
    try:
        await_listening(server, procs.errors_of(log))
    except BaseException:
        server.stop()
        raise
    return server


def _fields(place: Place, kind: Kind) -> dict[str, object]:
    fields = {name: getattr(place, name) for name in Place.__dataclass_fields__}
    return {**fields, "variant": kind.variant}


def await_listening(server: Server, errors: Path) -> None:
    """Waits until a server accepts connections. Raises Misbehaved where it ends or takes too long."""
    deadline = time.monotonic() + START_TAKES
    while server.process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", server.place.port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    status = server.process.poll()
    outcome = "does not listen" if status is None else f"ended with {status}"
    said = errors.read_text(errors="replace").strip().splitlines()[-5:]
    raise Misbehaved(f"{server.name} {outcome}: {' / '.join(said)}")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, of TCP and of UDP, and that no client is given: those begin at 32768."""
    found: list[int] = []
    for port in random.sample(range(*PORTS), 50 * count):
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            try:
                stream.bind(("127.0.0.1", port))
                datagrams.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise SystemExit(f"no {count} free ports from {PORTS[0]} to {PORTS[1]}")

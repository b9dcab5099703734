"""The pieces of the local stack, in the order in which they start: store, caudal, nginx, Alertmanager, Prometheus."""

from __future__ import annotations

import grp
import os
import pwd
import re
import secrets
import shutil
import socket
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from pager import Pager
from processes import Failed, Processes, caudal, free_ports

from config import filled

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TOOLS = ROOT / os.environ.get("TEST_TOOLS", ".tools") / "deploy/platform"
TITLE = ROOT / "src/demo/title"
RULES = ROOT / "deploy/monitoring/prometheus/rules"
BUCKET, PREFIX = "media", "titles/demo/"
# The store checks no signatures, but clients of S3 insist on making them.
KEYS = {
    "AWS_ACCESS_KEY_ID": "platform",
    "AWS_SECRET_ACCESS_KEY": "platform",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class Ports:
    """Where everything listens, on 127.0.0.1. These are the usual ones."""

    cdn: int = 8000
    caudal: int = 8080
    admin: int = 9180
    store: int = 9000
    prometheus: int = 9090
    alertmanager: int = 9093
    pager: int = 9094

    @classmethod
    def free(cls) -> Ports:
        """Ports that nobody has."""
        return cls(*free_ports(len(fields(cls))))

    def must_be_free(self) -> None:
        """Raises Failed where one is taken, or something else would be mistaken for a piece of the stack."""
        for field in fields(self):
            port = getattr(self, field.name)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise Failed(
                        f"port {port}, for {field.name}, is taken: {error}; --free takes ports that are not"
                    ) from error


@dataclass(frozen=True)
class Pace:
    """How fast alerts come. In earnest as the rules say; to prove that they come, in seconds."""

    interval: str
    # What every `for` of the rules becomes; None leaves them as they are.
    patience: str | None = None


EARNEST, HURRIED = Pace("5s"), Pace("1s", "3s")


class Stack:
    """Everything, once `start` has returned."""

    def __init__(self, processes: Processes, ports: Ports, rules: Path, pace: Pace) -> None:
        self.processes, self.ports, self.pace = processes, ports, pace
        self.origin_lock = secrets.token_hex(16)
        if not list(rules.glob("*.yml")):
            raise Failed(f"{rules} has no rules: name a folder that has with --rules")
        self.rules = rules
        self.pager: Pager | None = None

    def url(self, piece: str, path: str = "/") -> str:
        """Of a piece, by its name in Ports."""
        return f"http://127.0.0.1:{getattr(self.ports, piece)}{path}"

    def start(self) -> None:
        """Starts each, and waits until it answers before the next. On return a title plays."""
        self.start_store()
        self.processes.start(
            "caudal", [caudal(ROOT), "serve", "--config", self.write("caudal.toml")], self._caudal_env()
        )
        self.processes.await_answer("caudal", self.url("admin", "/readyz"))
        self.start_nginx()
        self.pager = Pager(self.ports.pager)
        self.start_alerts()

    def start_store(self) -> None:
        """The store, with the sample title in it. It keeps everything in memory: started again, it is filled again."""
        port = str(self.ports.store)
        self.processes.start("store", [TOOLS / "venv/bin/moto_server", "-H", "127.0.0.1", "-p", port])
        self.processes.await_answer("store", self.url("store", "/moto-api/"))
        put_title(self.url("store"))

    def start_nginx(self) -> None:
        """The CDN."""
        config = self.write("nginx.conf")
        folder = self.processes.folder
        self.processes.start("nginx", ["nginx", "-p", folder, "-e", folder / "nginx.log", "-c", config])
        self.processes.await_answer("nginx", self.url("cdn", f"/{PREFIX}master.m3u8"))

    def start_alerts(self) -> None:
        """Alertmanager and Prometheus."""
        folder = self.processes.folder
        argv: list[str | Path] = ["prometheus-alertmanager", f"--config.file={self.write('alertmanager.yml')}"]
        argv += [f"--storage.path={folder / 'alertmanager'}", "--cluster.listen-address="]
        argv += [f"--web.listen-address=127.0.0.1:{self.ports.alertmanager}"]
        self.processes.start("alertmanager", argv)
        self.processes.await_answer("alertmanager", self.url("alertmanager", "/-/ready"))
        self._copy_rules(folder / "rules")
        argv = ["prometheus", f"--config.file={self.write('prometheus.yml')}"]
        argv += [
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{self.ports.prometheus}",
        ]
        self.processes.start("prometheus", argv)
        self.processes.await_answer("prometheus", self.url("prometheus", "/-/ready"))

    def _copy_rules(self, to: Path) -> None:
        """The rules as they are, or with each `for` shortened: whether an alert comes, not how patient it is."""
        shutil.copytree(self.rules, to)
        if self.pace.patience is None:
            return
        for path in to.glob("*.yml"):
            path.write_text(re.sub(r"(?m)^(\s+for:) \S+$", rf"\1 {self.pace.patience}", path.read_text()))

    def write(self, name: str) -> Path:
        """Fills in a file of config/. It may hold a secret, so nobody else may read it."""
        path = self.processes.folder / name
        path.touch(mode=0o600)
        path.write_text(filled(name, self._words()))
        return path

    def _words(self) -> dict[str, str]:
        addresses = {field.name: f"127.0.0.1:{getattr(self.ports, field.name)}" for field in fields(self.ports)}
        listens = {f"{name}_listen": address for name, address in addresses.items()}
        folder = str(self.processes.folder)
        return (
            addresses
            | listens
            | {
                "network": "127.0.0.1/32",
                "folder": folder,
                "rules": f"{folder}/rules",
                "interval": self.pace.interval,
                "origin_lock": self.origin_lock,
                "user": f"{pwd.getpwuid(os.getuid()).pw_name} {grp.getgrgid(os.getgid()).gr_name}",
            }
        )

    def _caudal_env(self) -> dict[str, str]:
        return KEYS | {"ORIGIN_LOCK": self.origin_lock}

    def close(self) -> None:
        """Ends what is no process. The processes end with their context."""
        if self.pager:
            self.pager.close()


def put_title(store: str) -> None:
    """Makes the bucket and puts the sample title into it, manifests last."""
    _client(store).create_bucket(Bucket=BUCKET)
    files = [path for path in TITLE.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: (path.suffix in (".m3u8", ".mpd"), path)):
        put(store, f"{PREFIX}{path.relative_to(TITLE).as_posix()}", path.read_bytes())


def put(store: str, key: str, body: bytes) -> None:
    """Puts one object into the bucket."""
    _client(store).put_object(Bucket=BUCKET, Key=key, Body=body)


@cache
def _client(store: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=store,
        region_name=KEYS["AWS_REGION"],
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )

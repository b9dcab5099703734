"""All of it at work: a bad S3, two processes of caudal, Prometheus, Alertmanager, and who hears of alerts."""

import os
import re
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml
from bad_storage import BadStorage
from heard import Heard
from programs import Programs, free_port
from report import MONITORING, ROOT, TOOLS, Wrong, ask
from viewers import Viewers

TITLE = ROOT / "src/demo/title"
TITLES = 16  # copies of the demo's title, each its own: more than the cache holds

CONFIG = """
[server]
listen = ["127.0.0.1:{port}"]
[listener.public]
listen = ["127.0.0.1:{tls}"]
certificates = ["edge", "ordered"]
[certificate.edge]
chain = "file:{place}/edge.pem"
key = "file:{place}/edge.key"
[certificate.ordered] # in vain: nobody is there to order it from
acme = ["vod.example.com"]
acme_directory = "https://127.0.0.1:9/directory"
acme_cache = "{place}/acme"
[admin]
listen = "127.0.0.1:{admin}"
[log]
format = "json"
[cache]
memory = "24MiB" # less than the titles weigh, so that some are evicted
block = "256KiB"
run = "1MiB"
[freshness.segment]
fresh = "4s"
stale_while_revalidate = "4s"
[freshness.manifest]
fresh = "2s"
stale_while_revalidate = "2s"
[viewer]
reload = "2s"
trusted_peers = ["127.0.0.1/32"]
[key.viewers-1]
secret = "env:VIEWER_KEY"
algorithm = "HS256"
[token.viewers]
format = "jwt"
keys = ["viewers-1"]
[access.viewers]
require = ["token"]
tokens = ["viewers"]
revocations = "{place}/revoked.txt"
[storage.films]
kind = "s3"
bucket = "films"
region = "eu-central-1"
endpoint = "http://127.0.0.1:{s3}"
path_style = true
[storage.local]
kind = "directory"
path = "{place}/local"
[[route]]
path = "/films/"
storage = "films"
strip_prefix = true
[[route]]
path = "/members/"
storage = "films"
strip_prefix = true
access = "viewers"
[[route]]
path = "/local/"
storage = "local"
strip_prefix = true
"""


class Stack:
    """Entered, it runs; left, nothing of it does. `scrape` is how often Prometheus looks, in seconds."""

    def __init__(self, scrape: int = 1):
        self.scrape = scrape
        self.kept = tempfile.TemporaryDirectory(prefix="caudal-monitoring-")
        self.place = Path(self.kept.name)
        self.programs = Programs(self.place)
        self.admins: list[int] = []
        self.ports: list[tuple[int, int]] = []

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        # Those that ask before those that are asked.
        for part in ("viewers", "programs", "storage", "heard"):
            if hasattr(self, part):
                getattr(self, part).end()
        self.kept.cleanup()

    def _start(self) -> None:
        self.heard = Heard()
        self._start_storage()
        self.env = os.environ | {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self.storage.port}/credentials",
            "AWS_EC2_METADATA_DISABLED": "true",
            "VIEWER_KEY": secrets.token_hex(32),
        }
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
            self.env.pop(name, None)
        (self.place / "revoked.txt").write_text("")
        # Longer than any socket's buffer: who leaves in the middle of it is noticed.
        shutil.copytree(TITLE, self.place / "local")
        (self.place / "local/film.mp4").write_bytes(os.urandom(16 << 20))
        self.certify(days=90)
        for number in (1, 2):
            self._start_caudal(number)
        self.node = free_port()
        self.programs.start(
            "node", ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{self.node}"], f"http://127.0.0.1:{self.node}/"
        )
        self._start_alertmanager()
        self._start_prometheus()
        self.viewers = Viewers(self.ports, self.place / "edge.pem", self.token(), TITLES)

    def _start_storage(self) -> None:
        port = free_port()
        server = TOOLS / "venv/bin/moto_server"
        self.programs.start("moto", [server, "-H", "127.0.0.1", "-p", port], f"http://127.0.0.1:{port}/moto-api/")
        import boto3

        s3 = boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="eu-central-1",
            aws_access_key_id="any", aws_secret_access_key="any",
        )  # fmt: skip
        s3.create_bucket(Bucket="films", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        files = [file for file in TITLE.rglob("*") if file.is_file()]
        for number in range(TITLES):
            for file in files:
                s3.put_object(Bucket="films", Key=f"t{number}/{file.relative_to(TITLE)}", Body=file.read_bytes())
        self.storage = BadStorage(port)

    def certify(self, days: int) -> None:
        """A certificate of its own for 127.0.0.1, in place of the one before."""
        new = self.place / "new"
        ask("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days),
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
            "-keyout", f"{new}.key", "-out", f"{new}.pem")  # fmt: skip
        for kind in ("key", "pem"):
            Path(f"{new}.{kind}").replace(self.place / f"edge.{kind}")

    def _start_caudal(self, number: int) -> None:
        port, tls, admin = free_port(), free_port(), free_port()
        config = self.place / f"caudal-{number}.toml"
        config.write_text(CONFIG.format(
            port=port, tls=tls, admin=admin, s3=self.storage.port, place=self.place,
        ))  # fmt: skip
        self.programs.start(
            f"caudal-{number}", [caudal(), "serve", "--config", config], f"http://127.0.0.1:{admin}/readyz",
            env=self.env, stdout=self.place / f"access-{number}.log",
        )  # fmt: skip
        self.ports.append((port, tls))
        self.admins.append(admin)

    def token(self) -> str:
        """What stands before a path of /members/."""
        url = ask_with(
            self.env, caudal(), "sign", "jwt", "--config", self.place / "caudal-1.toml", "--path", "/members/",
            "--for", "1h", "--viewer", "alice", "--id", "play-1", "--url", "http://media.example/members/",
        )  # fmt: skip
        return url.strip().removeprefix("http://media.example").removesuffix("/members/")

    def _start_alertmanager(self) -> None:
        """With the configuration as it is, but for where it sends, its secrets' files, and its patience."""
        text = (MONITORING / "alertmanager/alertmanager.yml").read_text()
        config = yaml.safe_load(text.replace("/etc/alertmanager/secrets", str(self.place)))
        for route in (config["route"], *config["route"]["routes"]):
            route |= {"group_wait": "0s", "group_interval": "1s"}
        receivers = {receiver["name"]: receiver for receiver in config["receivers"]}
        receivers["page"]["pagerduty_configs"][0]["url"] = f"{self.heard.url}/pagerduty"
        receivers["watchdog"]["webhook_configs"][0]["url"] = f"{self.heard.url}/watchdog"
        (self.place / "slack-url").write_text(f"{self.heard.url}/slack")
        (self.place / "pagerduty-key").write_text("the-integration-key")
        (self.place / "watchdog-token").write_text("the-watchdogs-token")
        shutil.copy(MONITORING / "alertmanager/caudal.tmpl", self.place)
        (self.place / "alertmanager.yml").write_text(yaml.safe_dump(config))
        self.alerts = free_port()
        self.programs.start(
            "alertmanager",
            ["prometheus-alertmanager", f"--config.file={self.place}/alertmanager.yml", f"--storage.path={self.place}/alerts",
             f"--web.listen-address=127.0.0.1:{self.alerts}", "--cluster.listen-address="],
            f"http://127.0.0.1:{self.alerts}/-/ready",
        )  # fmt: skip

    def _start_prometheus(self) -> None:
        """With the configuration as it is, but for its targets and its patience. Of alerts only `for` is shortened."""
        copy = self.place / "prometheus"
        shutil.copytree(MONITORING / "prometheus", copy)
        port = free_port()
        config = (copy / "prometheus.yml").read_text().replace("localhost:9090", f"localhost:{port}")
        config = re.sub(r"(scrape_interval|evaluation_interval|scrape_timeout): \w+", rf"\1: {self.scrape}s", config)
        (copy / "prometheus.yml").write_text(config)
        targets = {"caudal": self.admins, "node": [self.node], "alertmanager": [self.alerts]}
        for name, ports in targets.items():
            listed = [{"targets": [f"127.0.0.1:{one}" for one in ports]}]
            (copy / f"targets/{name}.yml").write_text(yaml.safe_dump(listed))
        for file in (copy / "rules").glob("*.yml"):
            file.write_text(re.sub(r"for: 2m$", "for: 2s", file.read_text(), flags=re.MULTILINE))
        self.prometheus = f"http://127.0.0.1:{port}"
        self.programs.start(
            "prometheus",
            ["prometheus", f"--config.file={copy}/prometheus.yml", f"--storage.tsdb.path={self.place}/series",
             f"--web.listen-address=127.0.0.1:{port}"],
            f"{self.prometheus}/-/ready",
        )  # fmt: skip

    def access_log(self) -> list[str]:
        return (self.place / "access-1.log").read_text().splitlines()


def caudal() -> Path:
    """The program under test."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    given = os.environ.get("CAUDAL")
    for found in [Path(given)] if given else [target / "release/caudal", target / "debug/caudal"]:
        if found.is_file():
            return found
    raise Wrong(f"there is no {given or target / 'release/caudal'}: run cargo build --release, or set CAUDAL")


def ask_with(env: dict, *command) -> str:
    done = subprocess.run([str(word) for word in command], env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Wrong(f"{command[0]} {command[1]} exits {done.returncode}: {done.stderr.strip()[:400]}")
    return done.stdout

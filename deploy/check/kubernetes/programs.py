"""Starts and stops the real programs: caudal, Envoy, Prometheus. Each on ports that are free now."""

import contextlib
import http.client
import json
import pathlib
import signal
import socket
import subprocess
import time

import yaml

from report import tools

PATIENCE = 30


def free_port():
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


def get(address, path, headers=None):
    connection = http.client.HTTPConnection(*address.split(":"), timeout=20)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def until(what, test):
    """Waits until it is so; what goes wrong meanwhile is told at the end."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            found = test()
            if found:
                return found
            why = "not so"
        except (OSError, http.client.HTTPException, AssertionError) as error:
            why = error
        assert time.monotonic() < end, f"{what}: not within {PATIENCE} s ({why})"
        time.sleep(0.2)


@contextlib.contextmanager
def program(folder, name, *command):
    log = folder / f"{name}.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=out)
    try:
        yield process, log
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Caudal:
    """One pod's worth of caudal, and where it listens."""

    def __init__(self, process, log):
        self.process = process

        def serving():
            assert process.poll() is None, log.read_text()[-500:]
            for line in log.read_text().splitlines():
                told = json.loads(line) if line.startswith("{") else {}
                if told.get("message") == "serving":
                    return told

        told = until("caudal serves", serving)
        self.viewers, self.admin = told["listen"].strip("[]"), told["admin"]

    def metrics(self):
        return get(self.admin, "/metrics")[2].decode()

    def total(self, name):
        lines = [line for line in self.metrics().splitlines() if line.startswith(name)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


@contextlib.contextmanager
def caudal(binary, folder, name, storage):
    config = folder / f"{name}.toml"
    listen = '[server]\nlisten = ["127.0.0.1:0"]\ndrain_timeout = "2s"\n[admin]\nlisten = "127.0.0.1:0"\n'
    config.write_text(listen + storage)
    with program(folder, name, binary, "serve", "--config", config) as (process, log):
        yield Caudal(process, log)


@contextlib.contextmanager
def prometheus(folder, pods):
    """Scrapes every second, with the labels that the operator adds in a cluster."""
    labelled = [
        {"targets": [pod.admin], "labels": {"namespace": "caudal", "pod": name}} for name, pod in pods.items()
    ]
    scrape = {"job_name": "caudal", "scrape_interval": "1s", "static_configs": labelled}
    config, data = folder / "prometheus.yml", folder / "prometheus"
    config.write_text(yaml.safe_dump({"scrape_configs": [scrape]}))
    address = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={config}", f"--storage.tsdb.path={data}", f"--web.listen-address={address}"]
    with program(folder, "prometheus", "prometheus", *options):
        until("Prometheus is ready", lambda: get(address, "/-/ready")[0] == 200)
        yield f"http://{address}"


@contextlib.contextmanager
def envoy(folder, config):
    path = folder / "envoy.yaml"
    path.write_text(yaml.safe_dump(config))
    binary = pathlib.Path(tools("venv/bin/python")).parent.parent.glob("lib/python*/site-packages/envoy/_bin/envoy")
    quiet = ["--log-level", "warning", "--concurrency", "1", "--disable-hot-restart"]
    with program(folder, "envoy", next(binary), "--config-path", path, *quiet) as running:
        yield running

"""Runs what the image holds as a cluster does: in a namespace of its own, read-only, as 65532, without capabilities."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import authority

USER = 65532
TITLE = pathlib.Path("src/demo/title")
SEGMENT = "v720/seg-3.m4s"

CONFIG = """
[server]
listen = ["127.0.0.1:0"]
drain_timeout = "20s"

[admin]
listen = "127.0.0.1:0"

[cache]
memory = "60%"

[storage.media]
kind = "directory"
path = "/etc/caudal/media"
"""

# What container runtimes put into a root before they make it read-only: proc, names, and what is mounted by the pod.
ENTER = """
set -eu
root=$1 config=$2 trusted=$3
shift 3
mkdir -p "$root/proc"
[ -e "$root/etc/hosts" ] || : >"$root/etc/hosts"
mount --bind "$root" "$root"
mount --rbind /proc "$root/proc"
mount --bind /etc/hosts "$root/etc/hosts"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind "$config" "$root/etc/caudal"
mount -o remount,bind,ro "$root/etc/caudal"
[ "$trusted" = - ] || mount --bind "$trusted" "$root/etc/ssl/certs/ca-certificates.crt"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs chroot --userspec=65532:65532 "$root" /usr/bin/caudal "$@"
"""


class Server:
    """A running `caudal serve`, and where it listens."""

    def __init__(self, root, config, trusted="-"):
        enter = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "enter"]
        self.root, self.config = root, config
        self.log = open(config.parent / "stderr", "w+")
        command = [*enter, root, config, trusted, "serve", "--config", "/etc/caudal/caudal.toml"]
        # Nothing of this machine's environment, which a pod would not have: no SSL_CERT_FILE above all.
        bare = {"PATH": os.environ["PATH"]}
        self.process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=self.log, env=bare)
        self.viewers, self.admin = self._listening()

    def _listening(self):
        for _ in range(200):
            for line in self.said():
                if line.get("message") == "serving":
                    return line["listen"].strip("[]"), line["admin"]
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.text()[-600:]}"
            time.sleep(0.05)
        self.stop()
        raise AssertionError(f"it does not serve within 10 s: {self.text()[-600:]}")

    def text(self):
        return pathlib.Path(self.log.name).read_text()

    def said(self):
        for line in self.text().splitlines():
            if line.startswith("{"):
                yield json.loads(line)

    def get(self, address, path, read=True):
        host, port = address.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read() if read else answer

    def run(self, *arguments):
        """Another program of the same image, in the same namespace: what HEALTHCHECK does."""
        inside = ["nsenter", "--target", self.process.pid, "--mount", "setpriv", "--no-new-privs", "chroot"]
        command = [*inside, f"--userspec={USER}:{USER}", self.root, "/usr/bin/caudal", *arguments]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=20)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def checks(report, root, folder):
    config = folder / "etc"
    config.mkdir()
    shutil.copytree(TITLE, config / "media")
    (config / "caudal.toml").write_text(CONFIG)
    server = report.check("it starts in a read-only root", Server, root, config)
    if server is None:
        return
    try:
        report.check("it is not root, and can do nothing that root can", unprivileged, server)
        report.check("it serves a segment to the byte", segment, server, config)
        report.check("nothing but /tmp can be written to, not even by root", read_only, server)
        report.check("caudal health says yes, and no where nobody is", health, server)
        report.check("SIGTERM lets a viewer finish, then exits 0", drains, server, config)
    finally:
        server.stop()
    report.check("names are looked up, and the root's certificates are those trusted", authority.trusted, root, folder, Server)


def unprivileged(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    told = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert told["Uid"].split() == [str(USER)] * 4, f"Uid is {told['Uid']}"
    assert told["Gid"].split() == [str(USER)] * 4, f"Gid is {told['Gid']}"
    assert told["Groups"].strip() in ("", str(USER)), f"Groups are {told['Groups']}"
    for kind in ["CapEff", "CapPrm", "CapAmb"]:
        assert int(told[kind], 16) == 0, f"{kind} is {told[kind]}"
    assert told["NoNewPrivs"] == "1", "it could gain privileges"


def segment(server, config):
    status, body = server.get(server.viewers, f"/{SEGMENT}")
    assert status == 200, f"status {status}: {body[:200]}"
    assert body == (config / "media" / SEGMENT).read_bytes(), "another body"
    status, body = server.get(server.admin, "/metrics")
    assert status == 200 and b"process_resident_memory_bytes" in body, "no metrics of the process"


def read_only(server):
    for user in [0, USER]:
        for name in ["etc/x", "etc/caudal/x", "etc/caudal/media/x", "usr/bin/x", "x", "var/lib/x"]:
            done = touch(server, user, name)
            assert done.returncode != 0, f"{user} could write /{name}"
            assert "Read-only file system" in done.stderr, f"/{name}: {done.stderr}"
    done = touch(server, USER, "tmp/x")
    assert done.returncode == 0, f"/tmp/x: {done.stderr}"


def touch(server, user, name):
    # Root goes there first: the folders above the image's root are nobody else's.
    script = 'cd "$1" && exec setpriv --reuid="$2" --regid="$2" --clear-groups touch "$3"'
    command = ["nsenter", "--target", server.process.pid, "--mount", "sh", "-c", script, "touch", server.root, user, name]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})


def health(server):
    done = server.run("health", "--admin", server.admin)
    assert done.returncode == 0, f"exit {done.returncode}: {(done.stderr or done.stdout).strip()}"
    done = server.run("health", "--admin", "127.0.0.1:1")
    assert done.returncode == 1, f"exit {done.returncode} where nobody listens"


def drains(server, config):
    """The answer is taken only after the signal: it is longer than sockets hold, so most of it is sent afterwards."""
    length = 64 << 20
    with open(config / "media/long.mp4", "wb") as file:
        file.truncate(length)
    status, answer = server.get(server.viewers, "/long.mp4", read=False)
    assert status == 200, f"status {status}"
    first = len(answer.read(1 << 16))
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert server.process.poll() is None, "it left a viewer behind"
    status, body = server.get(server.admin, "/readyz")
    assert status == 503 and b"stopping" in body, f"readiness says {status} while it stops"
    rest = len(answer.read())
    assert first + rest == length, f"the viewer has {first + rest} of {length} bytes"
    code = server.process.wait(timeout=30)
    assert code == 0, f"exit {code}"

#!/usr/bin/env python3
"""Runs the load test, against a caudal that it starts and stops, or against a server elsewhere.

    run.py --caudal target/release/caudal              half a minute, on this machine alone
    run.py --caudal BINARY --media FOLDER --title /a/master.m3u8
    run.py --form long --url https://HOST/a/master.m3u8 --url https://HOST/b/manifest.mpd
    run.py … -- --out csv=FILE                         what follows -- goes to k6

It succeeds where every threshold holds, caudal itself counts no error, and caudal stops as it should. README.md beside
this tells the rest.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Seconds for caudal to start, and to stop.
PATIENCE = 20
# Different messages of k6 that are shown.
MESSAGES = 20
# The numbers of a form, in lib/form.mjs, that an option replaces.
NUMBERS = {
    "premiere": "viewers who join the premiere",
    "ramp": "seconds in which they do",
    "viewers": "viewers of the everyday audience",
    "seekers": "viewers of the seek storm",
    "duration": "seconds in all",
    "speed": "how much faster than at its own pace a title is played",
}


class Failed(Exception):
    """What stops the run; it is all that a person needs to read."""


def main():
    options, rest = arguments()
    if options.url:
        k6(options, options.url, rest)
        return
    with tempfile.TemporaryDirectory() as folder:
        caudal = Caudal(options.caudal, options.media, pathlib.Path(folder) / "log")
        try:
            k6(options, [f"http://{caudal.address}{title}" for title in options.title], rest)
            caudal.judge()
            caudal.stop()
        except Failed as failed:
            # The last lines tell why, if anything does.
            raise Failed(f"{failed}\n{caudal.said()}") from None
        finally:
            caudal.kill()


def arguments():
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    server = parser.add_mutually_exclusive_group(required=True)
    server.add_argument("--caudal", metavar="BINARY", help="start this one")
    server.add_argument("--url", action="append", help="a manifest on a server that runs; may be repeated")
    parser.add_argument("--media", metavar="FOLDER", default=ROOT / "src/demo/title",
                        help="what the started one serves (the demo title)")
    parser.add_argument("--title", metavar="PATH", action="append",
                        help="a manifest below it; may be repeated (/master.m3u8 and /manifest.mpd)")
    parser.add_argument("--form", choices=["short", "long"], default="short")
    for name, meaning in NUMBERS.items():
        parser.add_argument(f"--{name}", type=float, metavar="N", help=meaning)
    options = parser.parse_args(words[:end])
    options.title = options.title or ["/master.m3u8", "/manifest.mpd"]
    return options, words[end + 1:]


def k6(options, manifests, rest):
    """Runs k6, whose summary goes to our own output."""
    program = ROOT / os.environ.get("TEST_TOOLS", ".tools") / "venv/bin/k6"
    if not program.exists():
        raise Failed(f"{program} is missing: run `make tools`")
    given = {name: getattr(options, name) for name in NUMBERS}
    settings = {"FORM": options.form, "MANIFESTS": " ".join(manifests)}
    settings.update((name.upper(), f"{number:g}") for name, number in given.items() if number is not None)
    # Neither reports of usage nor a port for remote control; messages bare.
    command = [program, "run", "--quiet", "--no-usage-report", "--address", "", "--log-format", "raw"]
    for name, value in settings.items():
        command += ["--env", f"{name}={value}"]
    command += [*rest, HERE / "main.mjs"]
    # Ctrl-C reaches k6 as well, which then ends by itself and still tells what it measured.
    signal.signal(signal.SIGINT, lambda *_: None)
    run = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        tell_once(run.stderr)
        status = run.wait()
    finally:
        run.kill()
        run.wait()
    if status == 99:
        raise Failed("a threshold is broken")
    if status != 0:
        raise Failed(f"k6 ended with {status}")


def tell_once(lines):
    """Passes on what k6 says, but what all viewers say only once, and not too much of it."""
    told = set()
    for line in lines:
        if line in told or len(told) == MESSAGES:
            continue
        told.add(line)
        sys.stderr.write(line)
        sys.stderr.flush()


class Caudal:
    """A caudal of our own, on free ports of the loopback interface."""

    def __init__(self, binary, media, log):
        self.log = log
        # Its configuration is the default, whatever surrounds us.
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith("CAUDAL_")}
        command = [binary, "serve", "--media", media, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        try:
            with log.open("wb") as stderr:
                self.process = subprocess.Popen(
                    command, env=surroundings, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr)
        except OSError as error:
            raise Failed(f"{binary} does not start: {error}") from None
        try:
            serving = self.wait_for(self.serving, "to say where it serves")
            self.address = serving["listen"].strip("[]")
            self.admin = serving["admin"]
            self.wait_for(self.is_ready, "to be ready")
        except BaseException:
            self.kill()
            raise

    def wait_for(self, look, what):
        deadline = time.monotonic() + PATIENCE
        while not (found := look()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"waited in vain for caudal {what} (ended: {self.process.poll()})\n{self.said()}")
            time.sleep(0.02)
        return found

    def serving(self):
        for line in self.log.read_text().splitlines(keepends=True):
            # The last one may be on its way still.
            if line.endswith("\n") and (said := json.loads(line))["message"] == "serving":
                return said
        return None

    def is_ready(self):
        try:
            self.ask("/readyz")
        except urllib.error.HTTPError:
            return False
        return True

    def ask(self, path):
        with urllib.request.urlopen(f"http://{self.admin}{path}", timeout=PATIENCE) as answer:
            return answer.read()

    def judge(self):
        """What caudal itself counted of the run, as a witness of its own."""
        requests = json.loads(self.ask("/status"))["requests"]
        words = [f"{requests[name]} {name}" for name in ("total", "hits", "misses", "coalesced", "errors")]
        print(f"caudal counts {', '.join(words)}", flush=True)
        if requests["errors"]:
            raise Failed("caudal counts errors")

    def stop(self):
        """As an operator would."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed(f"caudal does not stop within {PATIENCE} s") from None
        if status != 0:
            raise Failed(f"caudal ended with {status}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def said(self):
        return "\n".join(self.log.read_text().splitlines()[-20:])


if __name__ == "__main__":
    # Or a stopped run would leave its caudal behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("run.py: stopped"))
    try:
        main()
    except Failed as failed:
        sys.exit(f"run.py: {failed}")

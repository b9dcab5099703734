"""One line a check, and where tools and the binary are. For every part whose check is written in Python."""

import os
import pathlib
import subprocess
import sys

# The folder of the script that was started: a part of deploy.
PART = pathlib.Path(sys.argv[0]).resolve().parent.name


class Report:
    def __init__(self, part):
        self.part, self.passed, self.failed = part, 0, 0

    def check(self, what, proof, *args):
        """Runs a proof; one that raises has failed, and says why."""
        try:
            found = proof(*args)
        except AssertionError as why:
            return self.fail(what, why)
        except Exception as why:  # the proof itself is at fault, or what it reads
            return self.fail(what, repr(why))
        self.passed += 1
        # What was found out, where it is worth a word.
        print(f"ok    {what}" + (f": {found}" if isinstance(found, str) else ""), flush=True)
        return found

    def fail(self, what, why):
        self.failed += 1
        print(f"FAIL  {what}: {why}", flush=True)

    def command(self, what, command):
        def proof():
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
            said = (done.stdout + done.stderr).strip()
            assert done.returncode == 0, said or f"exit {done.returncode}"

        self.check(what, proof)

    def end(self):
        print(f"{self.part}: {self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0


def tools(path):
    """A tool that tools.sh of this part has installed."""
    tool = pathlib.Path(os.environ.get("TEST_TOOLS", ".tools")) / "deploy" / PART / path
    if not tool.exists():
        raise SystemExit(f"{tool} is missing: run deploy/check/{PART}/tools.sh")
    return tool.absolute()


def caudal():
    """The binary to run."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    named = os.environ.get("CAUDAL")
    places = [pathlib.Path(named)] if named else [target / "release/caudal", target / "debug/caudal"]
    for place in places:
        if place.exists():
            return place.absolute()
    raise SystemExit(f"there is no caudal at {' or '.join(map(str, places))}: cargo build --release, or set CAUDAL")

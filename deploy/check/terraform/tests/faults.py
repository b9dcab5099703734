"""Feeds the checker Terraform that is wrong, and sees that it finds every fault, at its line, and none besides.

A case is a file in faults/: `# fault: TEXT` at the end of a line is what is to be said of it, `# fault below: TEXT` of the
next (a heredoc's first line ends as it ends), and `# file: NAME` begins another file. Where a case says nothing of versions, it gets a sound versions.tf.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from checker.__main__ import faults, folders_below  # noqa: E402
from checker.policies import Actions  # noqa: E402
from checker.schema import Schema  # noqa: E402

CASES = Path(__file__).parent / "faults"
VERSIONS = """terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = { source = "hashicorp/aws", version = "~> 5.100" }
  }
}
"""


def unfold(case: str, folder: Path) -> set[str]:
    """Writes a case's files; returns what is to be found in them."""
    expected = set()
    parts = re.split(r"^# file: (\S+)\n", case, flags=re.M)
    for name, text in zip(["main.tf", *parts[1::2]], parts[0::2], strict=True):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        for number, line in enumerate(text.splitlines(), 1):
            expected |= {f"{name}:{number}: {fault.strip()}" for fault in line.split("# fault:")[1:]}
            expected |= {f"{name}:{number + 1}: {fault.strip()}" for fault in line.split("# fault below:")[1:]}
    if "terraform {" not in parts[0]:
        (folder / "versions.tf").write_text(VERSIONS)
    return expected


def problems(package: Path) -> list[str]:
    """A line for every case in which something else was found than is there."""
    schema, actions = Schema(package), Actions()
    found_wrong = []
    for case in sorted(CASES.glob("*.tf")):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve()
            expected = unfold(case.read_text(), root)
            found = set(faults(folders_below(root), schema, actions, root))
        # A parser's own words are its own; what is to be seen is that the file is refused.
        if case.stem == "broken":
            found = {re.sub(r":\d+: (this is no HCL).*", r":3: \1", fault) for fault in found}
        for fault in sorted(expected - found):
            found_wrong.append(f"{case.name}: not found: {fault}")
        for fault in sorted(found - expected):
            found_wrong.append(f"{case.name}: found and not there: {fault}")
    return found_wrong


if __name__ == "__main__":
    wrong = problems(Path(sys.argv[1]))
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)

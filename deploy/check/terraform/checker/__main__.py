"""python -m checker PACKAGE FOLDER…: prints what is wrong with the Terraform below the folders, and exits 1 if anything is."""

from __future__ import annotations

import sys
from pathlib import Path

from . import names, shapes
from .policies import Actions
from .reader import read
from .schema import Schema


def faults(folders: list[Path], schema: Schema, actions: Actions, root: Path) -> list[str]:
    """Everything that is wrong, in the order of files and lines."""
    modules = {folder: read(folder, root) for folder in folders}
    broken = [fault for module in modules.values() for fault in module.faults]
    if broken:
        return broken
    found: list[str] = []
    scopes = [names.Names(module, schema, modules) for module in modules.values()]
    for scope in scopes:
        found += shapes.check(scope.module, schema)
        found += scope.check()
        found += actions.check(scope.module)
    found += names.unread(scopes)
    return sorted(found, key=_place)


def folders_below(top: Path) -> list[Path]:
    """The folders that are modules."""
    return sorted({file.parent.resolve() for file in top.rglob("*.tf") if ".terraform" not in file.parts})


def _place(fault: str) -> tuple[str, int]:
    file, line, *_ = fault.split(":")
    return file, int(line) if line.strip().isdigit() else 0


def main() -> None:
    package, *tops = (Path(argument) for argument in sys.argv[1:])
    found: list[str] = []
    for top in tops:
        found += faults(folders_below(top), Schema(package), Actions(), top.resolve())
    print("\n".join(found))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()

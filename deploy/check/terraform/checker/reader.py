"""Makes modules of folders: blocks, arguments and the expressions in them, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hcl2
from hcl2.rules.base import AttributeRule, BlockRule
from hcl2.rules.literal_rules import IdentifierRule


@dataclass(frozen=True)
class Place:
    """A line of a file."""

    file: Path
    line: int

    def fault(self, text: str) -> str:
        return f"{self.file}:{self.line}: {text}"


@dataclass
class Argument:
    """`name = expression`."""

    name: str
    expression: Any
    place: Place


@dataclass
class Block:
    """`kind "label" "label" { … }`."""

    kind: str
    labels: list[str]
    place: Place
    arguments: dict[str, Argument] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def all(self) -> Iterator[Block]:
        """This block and every one inside of it."""
        yield self
        for block in self.blocks:
            yield from block.all()

    def of(self, kind: str) -> list[Block]:
        return [block for block in self.blocks if block.kind == kind]

    @property
    def address(self) -> str:
        """As Terraform names it: aws_s3_bucket.media, data.aws_region.here, module.cdn, var.name."""
        prefix = {"resource": [], "variable": ["var"], "provider": ["provider"]}.get(self.kind, [self.kind])
        return ".".join(prefix + self.labels)


@dataclass
class Module:
    """All `.tf` files of a folder."""

    folder: Path
    blocks: list[Block]
    faults: list[str]

    def of(self, kind: str) -> list[Block]:
        return [block for block in self.blocks if block.kind == kind]


def read(folder: Path, root: Path) -> Module:
    """Reads a folder; places are told relative to `root`."""
    blocks: list[Block] = []
    faults: list[str] = []
    for file in sorted(folder.glob("*.tf")):
        shown = file.relative_to(root)
        try:
            tree = hcl2.parses(file.read_text())
        except Exception as error:  # lark has a dozen kinds, each of which means the same
            where = getattr(error, "line", 1)
            faults.append(f"{shown}:{where}: this is no HCL: {str(error).splitlines()[0]}")
            continue
        blocks += _body(tree.body, shown)[1]
    return Module(folder, blocks, faults)


def _body(body: Any, file: Path) -> tuple[dict[str, Argument], list[Block]]:
    arguments: dict[str, Argument] = {}
    blocks: list[Block] = []
    for child in body.children:
        if isinstance(child, AttributeRule):
            name = text(child.identifier)
            arguments[name] = Argument(name, child.expression, Place(file, child._meta.line))
        elif isinstance(child, BlockRule):
            kind, *labels = (text(label) for label in child.labels)
            block = Block(kind, labels, Place(file, child._meta.line))
            block.arguments, block.blocks = _body(child.body, file)
            blocks.append(block)
    return arguments, blocks


def text(node: Any) -> str:
    """What an identifier or a plain string says."""
    if isinstance(node, IdentifierRule):
        return str(node.children[0].value)
    return str(node.serialize()).strip('"')


def string(expression: Any) -> str | None:
    """What a string says that has nothing to be filled in; None for any other expression."""
    value = expression.serialize()
    if isinstance(value, str) and value.startswith('"') and value.endswith('"') and "${" not in value and "%{" not in value:
        return value[1:-1]
    return None

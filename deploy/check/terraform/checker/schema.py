"""What the AWS provider takes and tells, from the types that are generated from the provider's own schema.

The npm package @cdktf/provider-aws has a folder for every resource and data source, with a TypeScript interface for its
arguments, one for each nested block, and a class whose getters are what can be read. Nested blocks say so in their
comment, and every argument's comment links to its name in the provider's documentation, which is its name in HCL.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

INTERFACE = re.compile(r"^export interface (\w+)[^{]*\{\n(.*?)^\}", re.S | re.M)
MEMBER = re.compile(r"/\*\*(.*?)\*/\s*readonly \w+(\??): ([^;]*);", re.S)
ANCHOR = re.compile(r"#(\w+) \w+#\1\}")
CLASS = re.compile(r"^export declare class (\w+)[^{]*\{\n(.*?)^\}", re.S | re.M)
GETTER = re.compile(r"^\s+get (\w+)\(\): ([^;]+);", re.M)
ELEMENT = re.compile(r"^\s+get\(index: number\): (\w+);", re.M)


@dataclass
class Shape:
    """What a block may have in it. Of a block inside of it, `many` says whether there may be several."""

    arguments: dict[str, bool] = field(default_factory=dict)
    blocks: dict[str, tuple[bool, bool, Shape]] = field(default_factory=dict)
    # Blocks that the types do not describe (statements of a WAF, which nest without end), with whether they are required.
    opaque: dict[str, bool] = field(default_factory=dict)


@dataclass
class Kind:
    """One resource or data source."""

    shape: Shape
    # Class to what can be read of it, in camelCase, and the class that is in it, if it is one of ours.
    reads: dict[str, dict[str, str]]
    top: str


class Schema:
    """Looks kinds up in the folder of the package."""

    def __init__(self, package: Path) -> None:
        self.package = package
        self.version = json.loads((package / "package.json").read_text())["version"]

    @cache
    def kind(self, data: bool, name: str) -> Kind | None:
        """A resource or data source by its name in HCL; None where the provider has none of that name."""
        folder = ("data-" if data else "") + (name if data else name.removeprefix("aws_")).replace("_", "-")
        file = self.package / "lib" / folder / "index.d.ts"
        if not name.startswith("aws_") or not file.is_file():
            return None
        source = file.read_text()
        if f'tfResourceType = "{name}"' not in source:
            return None
        return _kind(source)

    def provider(self) -> Shape:
        """What a provider block may have in it."""
        source = (self.package / "lib/provider/index.d.ts").read_text()
        return _shape("AwsProviderConfig", dict(INTERFACE.findall(source)))


def _kind(source: str) -> Kind:
    interfaces = dict(INTERFACE.findall(source))
    classes = dict(CLASS.findall(source))
    top = next(name for name, body in classes.items() if "tfResourceType" in body)
    config = next(name for name in interfaces if name.endswith("Config") and "TerraformMetaArguments" in _head(source, name))
    reads = {name: _reads(body, classes) for name, body in classes.items()}
    return Kind(_shape(config, interfaces), reads, top)


def _head(source: str, interface: str) -> str:
    start = source.index(f"export interface {interface} ")
    return source[start : source.index("{", start)]


def _shape(name: str, interfaces: dict[str, str]) -> Shape:
    shape = Shape()
    for comment, optional, kind in MEMBER.findall(interfaces[name]):
        anchor = ANCHOR.search(comment)
        if not anchor:
            continue
        argument, required = anchor[1], not optional
        nested = re.match(r"\w+", kind.strip())
        if kind == "any":
            shape.opaque[argument] = required
        elif f"* {argument} block" in comment and nested and nested[0] in interfaces:
            shape.blocks[argument] = (required, "[]" in kind, _shape(nested[0], interfaces))
        else:
            shape.arguments[argument] = required
    return shape


def _reads(body: str, classes: dict[str, str]) -> dict[str, str]:
    reads = {}
    for name, kind in GETTER.findall(body):
        inside = kind if kind in classes else ""
        if inside and (element := ELEMENT.search(classes[inside])):
            inside = element[1]
        reads[name] = inside
    return reads


def camel(name: str) -> str:
    """A name of HCL as the classes have it."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)

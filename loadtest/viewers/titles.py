"""What there is to watch: the sample title under many names, and what a viewer has to ask for of it."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class File:
    """One thing to ask for."""

    kind: str
    path: str
    length: int


@dataclass(frozen=True)
class Track:
    """A rendition of the picture, or the sound."""

    playlist: File
    init: File
    segments: tuple[File, ...]
    # Of each segment, in seconds.
    lasts: tuple[float, ...]


@dataclass(frozen=True)
class Title:
    """As its multivariant playlist has it."""

    multivariant: File
    pictures: tuple[Track, ...]
    sound: Track


def make(source: Path, bucket: Path, count: int) -> None:
    """Puts a title under so many names into a folder. Each is as large and as cold as any other."""
    for number in range(count):
        shutil.copytree(source, bucket / f"t{number:02}")


def read(bucket: Path, prefix: str) -> list[Title]:
    """Reads the titles of a folder as a player does: from the multivariant playlist on."""
    return [_title(path, bucket, prefix) for path in sorted(bucket.glob("*/master.m3u8"))]


def _title(path: Path, bucket: Path, prefix: str) -> Title:
    text = path.read_text()
    pictures = re.findall(r"^#EXT-X-STREAM-INF:.*\n(\S+)$", text, re.MULTILINE)
    (sound,) = re.findall(r'^#EXT-X-MEDIA:TYPE=AUDIO.*URI="([^"]+)"', text, re.MULTILINE)
    tracks = [_track(path.parent / uri, bucket, prefix) for uri in [*pictures, sound]]
    return Title(_file("playlist", path, bucket, prefix), tuple(tracks[:-1]), tracks[-1])


def _track(path: Path, bucket: Path, prefix: str) -> Track:
    text = path.read_text()
    (init,) = re.findall(r'^#EXT-X-MAP:URI="([^"]+)"', text, re.MULTILINE)
    segments = re.findall(r"^#EXTINF:([\d.]+),\n(\S+)$", text, re.MULTILINE)
    return Track(
        _file("playlist", path, bucket, prefix),
        _file("init", path.parent / init, bucket, prefix),
        tuple(_file("segment", path.parent / name, bucket, prefix) for _, name in segments),
        tuple(float(seconds) for seconds, _ in segments),
    )


def _file(kind: str, path: Path, bucket: Path, prefix: str) -> File:
    return File(kind, f"{prefix}{path.relative_to(bucket).as_posix()}", path.stat().st_size)

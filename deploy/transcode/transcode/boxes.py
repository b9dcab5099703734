"""Reads as much of CMAF as manifests must tell, and sets right what ffmpeg writes (ISO/IEC 14496-12, 23000-19)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Flags of tfhd and trun: which fields there are.
BASE_OFFSET, SAMPLE_DESCRIPTION, DEFAULT_DURATION = 1, 2, 8
DATA_OFFSET, FIRST_FLAGS = 1, 4
DURATION, SIZE, FLAGS, COMPOSITION = 0x100, 0x200, 0x400, 0x800

# The boxes of a visual sample entry begin after so many bytes, those of an audio one after so many.
VISUAL, AUDIO = 78, 28


class Unreadable(Exception):
    """What ffmpeg wrote is not what it was asked for."""


@dataclass(frozen=True)
class Init:
    """What an initialization segment tells."""

    timescale: int
    # RFC 6381.
    codec: str


@dataclass(frozen=True)
class Segment:
    """One segment; times are in the track's timescale."""

    name: str
    start: int
    duration: int
    size: int


def boxes(data: bytes | bytearray, start: int = 0, end: int | None = None) -> Iterator[tuple[str, int, int]]:
    """The boxes one after another: what each is called, and where its content begins and ends."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < 8 or start + size > end:
            raise Unreadable(f"a box of {size} bytes where {end - start} are left")
        yield kind.decode("latin-1"), start + 8, start + size
        start += size


def find(data: bytes | bytearray, path: str, start: int = 0, end: int | None = None) -> tuple[int, int]:
    """Where the first box at a path, such as moov/trak, begins and ends."""
    for name in path.split("/"):
        for kind, first, last in boxes(data, start, end):
            if kind == name:
                start, end = first, last
                break
        else:
            raise Unreadable(f"no box {path}")
    assert end is not None
    return start, end


def read_init(data: bytes) -> Init:
    """Reads an initialization segment of one track."""
    media, _ = find(data, "moov/trak/mdia/mdhd")
    (timescale,) = struct.unpack_from(">I", data, media + (20 if data[media] == 1 else 12))
    first, last = find(data, "moov/trak/mdia/minf/stbl/stsd")
    entry, begin, end = next(boxes(data, first + 8, last))
    if entry == "avc1":
        at, _ = find(data, "avcC", begin + VISUAL, end)
        return Init(timescale, f"avc1.{data[at + 1 : at + 4].hex().upper()}")
    if entry == "mp4a":
        at, last = find(data, "esds", begin + AUDIO, end)
        return Init(timescale, f"mp4a.40.{_object_type(data[at + 4 : last])}")
    raise Unreadable(f"a codec {entry}, which nobody asked for")


def _object_type(descriptors: bytes) -> int:
    """The kind of AAC: the first five bits of the decoder's own description (ISO/IEC 14496-3), tag 5 within 4 within 3."""
    # Descriptors have a tag, a length of up to four bytes of seven bits, and fields of their own before the next one.
    at = 0
    for tag, fields in ((3, 3), (4, 13), (5, 0)):
        if descriptors[at] != tag:
            raise Unreadable(f"a descriptor {descriptors[at]} where {tag} should be")
        at += 1
        while descriptors[at] & 0x80:
            at += 1
        at += 1 + fields
    return descriptors[at] >> 3


def read_segment(path: Path) -> Segment:
    """Reads when a segment begins and how long it lasts."""
    data = path.read_bytes()
    start, total = None, 0
    for kind, first, last in boxes(data):
        if kind != "moof":
            continue
        default = 0
        for name, at, _ in boxes(data, *find(data, "traf", first, last)):
            flags = _flags(data, at)
            if name == "tfhd":
                where = at + 8 + 8 * bool(flags & BASE_OFFSET) + 4 * bool(flags & SAMPLE_DESCRIPTION)
                default = struct.unpack_from(">I", data, where)[0] if flags & DEFAULT_DURATION else 0
            elif name == "tfdt":
                (when,) = struct.unpack_from(">Q" if data[at] == 1 else ">I", data, at + 4)
                start = when if start is None else start
            elif name == "trun":
                samples = list(_samples(data, at, flags))
                total += (
                    sum(struct.unpack_from(">I", data, where)[0] for where in samples)
                    if flags & DURATION
                    else (default * len(samples))
                )
    if start is None or total == 0:
        raise Unreadable(f"{path.name} has no samples")
    return Segment(path.name, start, total, len(data))


def settle(paths: list[Path]) -> None:
    """Makes the first picture's time exactly 0, without an edit list, and names the segments as CMAF's.

    ffmpeg puts pictures later by as many as are decoded before the first that is shown. Offsets may be negative in CMAF:
    taking that away from all of them puts the pictures where they belong. A second call changes nothing.
    """
    late: int | None = None
    for path in paths:
        data = bytearray(path.read_bytes())
        for kind, first, last in list(boxes(data)):
            if kind == "styp":
                # ffmpeg claims a segment index (msix), which there is none of; cmfs is a segment of CMAF.
                data[first:last] = data[first:last].replace(b"msix", b"cmfs")
            if kind != "moof":
                continue
            for name, at, _ in list(boxes(data, *find(data, "traf", first, last))):
                flags = _flags(data, at)
                if name != "trun" or not flags & COMPOSITION:
                    continue
                # The offset is the last of a sample's fields.
                step = _step(flags)
                places = [where + step - 4 for where in _samples(data, at, flags)]
                if late is None:
                    (late,) = struct.unpack_from(">i", data, places[0])
                for where in places:
                    (offset,) = struct.unpack_from(">i", data, where)
                    struct.pack_into(">i", data, where, offset - late)
                # The version whose offsets have a sign.
                data[at] = 1
        path.write_bytes(data)


def _flags(data: bytes | bytearray, at: int) -> int:
    (word,) = struct.unpack_from(">I", data, at)
    return int(word) & 0xFFFFFF


def _step(flags: int) -> int:
    return 4 * sum(bool(flags & field) for field in (DURATION, SIZE, FLAGS, COMPOSITION))


def _samples(data: bytes | bytearray, at: int, flags: int) -> range:
    """Where the fields of each sample of a trun begin."""
    (count,) = struct.unpack_from(">I", data, at + 4)
    first = at + 8 + 4 * bool(flags & DATA_OFFSET) + 4 * bool(flags & FIRST_FLAGS)
    step = _step(flags)
    if step == 0:
        return range(count)
    return range(first, first + step * count, step)

"""What an upload is, by ffprobe; and whether it is something to make a title of."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from .refusal import Refused

# Uploads come from anywhere. Formats that name other files or addresses (playlists, concat scripts) are not read at all,
# nor is any protocol but that of local files: an upload cannot make the function fetch something.
FORMATS = "mov,matroska,mpegts,mpeg,avi,mxf,flv,asf,ogg"
GUARDED = ["-protocol_whitelist", "file", "-format_whitelist", FORMATS]
# To look at a file takes a moment, whatever is in it.
PATIENCE = 60
SHORTEST = 0.5
MOST_SOUNDS = 8
WIDEST = 8192
# Transfer functions of high dynamic range (ITU-R BT.2100).
HDR = ("smpte2084", "arib-std-b67")


@dataclass(frozen=True)
class Sound:
    """One track of sound."""

    index: int
    # RFC 5646, or "und".
    language: str
    label: str


@dataclass(frozen=True)
class Source:
    """What there is to work with."""

    file: Path
    video: int
    # Of the picture as it is shown: turned upright, in square pixels.
    width: int
    height: int
    rate: Fraction
    interlaced: bool
    hdr: bool
    seconds: float
    sounds: tuple[Sound, ...]


def probe(file: Path, max_seconds: int) -> Source:
    """Reads a file's head. Raises Refused, with a sentence for whoever uploaded it, where it is no video."""
    return source_of(file, _ask(file), max_seconds)


def _ask(file: Path) -> dict[str, Any]:
    command = ["ffprobe", "-v", "error", *GUARDED, "-of", "json", "-show_format", "-show_streams", str(file)]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        raise Refused("unreadable", f"what is in it cannot be told within {PATIENCE} s") from error
    if said.returncode != 0:
        # ffprobe begins with the name of the file, which is ours.
        why = said.stderr.strip().splitlines()[-1:] or ["ffprobe does not say why"]
        raise Refused("not_video", f"it is no video file: {why[0].removeprefix(f'{file}: ')}")
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def source_of(file: Path, said: dict[str, Any], max_seconds: int) -> Source:
    """Judges what ffprobe said."""
    streams = said.get("streams", [])
    pictures = [s for s in streams if s.get("codec_type") == "video" and not s["disposition"].get("attached_pic")]
    if not pictures:
        kinds = ", ".join(sorted({s.get("codec_type", "data") for s in streams})) or "nothing"
        raise Refused("no_picture", f"it has no picture, only {kinds}")
    # A file may hold several; the one meant to be seen is marked, or comes first.
    video = next((s for s in pictures if s["disposition"].get("default")), pictures[0])
    if "codec_name" not in video or not video.get("width"):
        raise Refused("unreadable", "its picture is of a kind that this ffmpeg does not know")
    seconds = float(video.get("duration") or said.get("format", {}).get("duration") or 0)
    if seconds < SHORTEST:
        raise Refused("too_short", f"it lasts {seconds:.2f} s, and a title at least {SHORTEST} s")
    if seconds > max_seconds:
        raise Refused("too_long", f"it lasts {seconds:.0f} s, and at most {max_seconds} s are taken (MAX_SECONDS)")
    width, height = _shown(video)
    if max(width, height) > WIDEST:
        raise Refused("too_large", f"its picture has {width}x{height} pixels, and at most {WIDEST} a side are taken")
    return Source(
        file=file,
        video=video["index"],
        width=width,
        height=height,
        rate=_rate(video),
        interlaced=video.get("field_order", "progressive") not in ("progressive", "unknown"),
        hdr=video.get("color_transfer") in HDR,
        seconds=seconds,
        sounds=_sounds(streams),
    )


def _shown(video: dict[str, Any]) -> tuple[int, int]:
    width, height = int(video["width"]), int(video["height"])
    aspect = _fraction(video.get("sample_aspect_ratio", "1:1").replace(":", "/"))
    if aspect:
        width = round(width * aspect)
    turned = next((data["rotation"] for data in video.get("side_data_list", []) if "rotation" in data), 0)
    return (height, width) if round(float(turned)) % 180 == 90 else (width, height)


def _rate(video: dict[str, Any]) -> Fraction:
    return _fraction(video.get("avg_frame_rate", "")) or _fraction(video.get("r_frame_rate", "")) or Fraction(25)


def _fraction(text: str) -> Fraction | None:
    try:
        return Fraction(text) or None
    except (ValueError, ZeroDivisionError):
        return None


def _sounds(streams: list[dict[str, Any]]) -> tuple[Sound, ...]:
    found: list[Sound] = []
    for stream in streams:
        if stream.get("codec_type") != "audio" or not stream.get("channels"):
            continue
        tags = stream.get("tags", {})
        language = tags.get("language", "und")
        label = tags.get("title") or (language if language != "und" else f"Sound {len(found) + 1}")
        found.append(Sound(stream["index"], language, _plain(label)))
    return tuple(found[:MOST_SOUNDS])


def _plain(label: str) -> str:
    # It stands in quotes in a playlist, where quotes and line ends cannot be written.
    return "".join(c for c in label if c.isprintable() and c != '"')[:64] or "Sound"

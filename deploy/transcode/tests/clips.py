"""Files to upload, made by ffmpeg in a moment."""

from __future__ import annotations

import subprocess
from pathlib import Path


def ffmpeg(*words: str) -> None:
    """Runs ffmpeg, which says why where it fails."""
    said = subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-y", *words], capture_output=True, text=True, check=False
    )
    if said.returncode != 0:
        raise AssertionError(f"ffmpeg {' '.join(words)}: {said.stderr}")


def clip(
    path: Path, picture: str = "s=320x180:r=25", seconds: float = 2, sounds: int = 1, more: tuple[str, ...] = ()
) -> Path:
    """A moving test picture with tones."""
    words = ["-f", "lavfi", "-i", f"testsrc2={picture}:d={seconds}"]
    for number in range(sounds):
        words += ["-f", "lavfi", "-i", f"sine={440 * (number + 1)}:r=44100:d={seconds}"]
    for number in range(sounds + 1):
        words += ["-map", str(number)]
    ffmpeg(*words, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", *more, str(path))
    return path

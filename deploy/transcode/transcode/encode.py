"""Runs ffmpeg: one decoding, every rendition, every track of sound and the thumbnails of it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from .ladder import Cut, Rung
from .probe import GUARDED, Source
from .refusal import Refused
from .thumbnails import Sheet

SOUND_KBPS = 128
SOUND_RATE = 48_000
# Samples of a frame of AAC; the encoder puts one of silence before the first. As much of the source's beginning is left
# out, so that sound and picture stay together without an edit list.
FRAME = 1024
# Lines of what ffmpeg says that are worth telling.
TELL = 3

# Metadata and versions of programs stay out of the files: the same upload gives the same bytes.
EXACT = [
    "-map_metadata",
    "-1",
    "-map_chapters",
    "-1",
    "-fflags",
    "+bitexact",
    "-flags:v",
    "+bitexact",
    "-flags:a",
    "+bitexact",
]
# High dynamic range in the usual one: most screens and every browser can show that.
TONE = (
    "zscale=transfer=linear:npl=100,format=gbrpf32le,zscale=primaries=bt709,tonemap=hable:desat=0,"
    "zscale=transfer=bt709:matrix=bt709:range=tv,format=yuv420p"
)

# Seconds that are left.
Clock = Callable[[], float]


class OutOfTime(Exception):
    """The function would be ended before ffmpeg is done."""


@dataclass(frozen=True)
class Plan:
    """What is to be made of a source."""

    source: Source
    rungs: list[Rung]
    cut: Cut
    sheet: Sheet
    preset: str

    @property
    def sounds(self) -> list[str]:
        """The names of the tracks of sound."""
        return [f"a{number}" for number in range(1, len(self.source.sounds) + 1)]


def encode(plan: Plan, out: Path, left: Clock) -> None:
    """Writes a folder for every rendition and track below `out`, and `thumbs`. Raises Refused where ffmpeg cannot."""
    for name in [*(rung.name for rung in plan.rungs), *plan.sounds, "thumbs"]:
        (out / name).mkdir(parents=True)
    _run(command(plan, out), left)
    _run(_poster(plan, out / "poster.jpg"), left)


def command(plan: Plan, out: Path) -> list[str]:
    """The whole of ffmpeg's command."""
    source = plan.source
    words = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *GUARDED]
    words += ["-i", str(source.file), "-filter_complex", ";".join(_filters(plan))]
    for rung in plan.rungs:
        words += [
            "-map",
            f"[{rung.name}]",
            *_limits(source),
            *EXACT,
            *_picture(plan, rung),
            *_segments(plan.cut, out / rung.name),
        ]
    for name in plan.sounds:
        words += ["-map", f"[{name}]", *EXACT, "-c:a", "aac", "-b:a", f"{SOUND_KBPS}k", "-ac", "2"]
        words += _segments(plan.cut, out / name)
    words += ["-map", "[thumbs]", *_limits(source), *EXACT, "-fps_mode", "vfr", "-c:v", "mjpeg", "-q:v", "5"]
    return [*words, "-f", "image2", "-start_number", "1", str(out / "thumbs/%d.jpg")]


def _filters(plan: Plan) -> list[str]:
    source, rate = plan.source, plan.cut.rate
    steps = ["bwdif=mode=send_frame:deint=interlaced"] if source.interlaced else []
    # From 0 on and without holes: what begins late shows its first picture until then.
    steps += [f"fps={rate}:start_time=0"]
    steps += [TONE] if source.hdr else []
    names = [rung.name for rung in plan.rungs]
    outputs = "".join(f"[{name}-in]" for name in [*names, "thumbs"])
    chain = [f"[0:{source.video}]{','.join(steps)},split={len(names) + 1}{outputs}"]
    for rung in plan.rungs:
        scale = f"scale={rung.width}:{rung.height}:flags=lanczos:out_color_matrix=bt709:out_range=tv"
        chain.append(f"[{rung.name}-in]{scale},setsar=1,format=yuv420p[{rung.name}]")
    sheet = plan.sheet
    every = f"select='not(mod(n,{sheet.pictures(rate)}))'"
    tiles = f"scale={sheet.width}:{sheet.height},setsar=1,tile={sheet.columns}x{sheet.rows},format=yuvj420p"
    chain.append(f"[thumbs-in]{every},{tiles}[thumbs]")
    for name, sound in zip(plan.sounds, source.sounds, strict=True):
        steady = f"aresample={SOUND_RATE}:async=1:first_pts=0,apad"
        part = f"atrim=start_sample={FRAME}:end_sample={_whole_frames(source)}"
        chain.append(f"[0:{sound.index}]{steady},{part},asetpts=PTS-STARTPTS[{name}]")
    return chain


def _whole_frames(source: Source) -> int:
    """Samples of as many frames as the title has time for. Sound that ends after the picture makes players wait for it."""
    return int(source.seconds * SOUND_RATE) // FRAME * FRAME


def _limits(source: Source) -> list[str]:
    return ["-t", f"{source.seconds:.6f}"]


def _picture(plan: Plan, rung: Rung) -> list[str]:
    gop = str(plan.cut.gop)
    # Constant quality below a ceiling: what is easy to show costs little. Every group of pictures is closed and begins at
    # the same picture in each rendition.
    words = ["-c:v", "libx264", "-preset", plan.preset, "-profile:v", "high", "-crf", "22", "-bf", "2"]
    words += ["-maxrate", f"{rung.kbps}k", "-bufsize", f"{2 * rung.kbps}k"]
    words += ["-g", gop, "-keyint_min", gop, "-sc_threshold", "0", "-x264-params", "open-gop=0"]
    return [*words, "-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv"]


def _segments(cut: Cut, folder: Path) -> list[str]:
    words = ["-f", "hls", "-hls_time", f"{float(cut.segment):.6f}", "-hls_playlist_type", "vod", "-start_number", "1"]
    words += ["-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4"]
    words += ["-hls_segment_options", "movflags=+cmaf+skip_sidx:use_editlist=0"]
    return [*words, "-hls_segment_filename", str(folder / "seg-%d.m4s"), str(folder / "index.m3u8")]


def _poster(plan: Plan, path: Path) -> list[str]:
    source, largest = plan.source, plan.rungs[0]
    # A tenth in, most titles have begun to show something; of the pictures there the one most like the others is taken.
    words = [
        "ffmpeg",
        "-hide_banner",
        "-loglevel",
        "error",
        "-nostdin",
        "-y",
        *GUARDED,
        "-ss",
        f"{source.seconds / 10:.3f}",
    ]
    tone = f"{TONE}," if source.hdr else ""
    scale = f"thumbnail=50,{tone}scale={largest.width}:{largest.height}:flags=lanczos,setsar=1,format=yuvj420p"
    words += ["-i", str(source.file), "-map", f"0:{source.video}", *EXACT, "-vf", scale, "-frames:v", "1", "-q:v", "3"]
    return [*words, "-f", "image2", "-update", "1", str(path)]


def _run(words: list[str], left: Clock) -> None:
    began = time.monotonic()
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=max(0.0, left()), check=False)
    except subprocess.TimeoutExpired as error:
        after = time.monotonic() - began
        raise OutOfTime(
            f"ffmpeg is not done after {after:.0f} s, which is all there was: lower MAX_SECONDS or MAX_HEIGHT, give the"
            " function more memory (it gets processors by it), or run the image as a job"
        ) from error
    if said.returncode != 0:
        last = " / ".join(said.stderr.strip().splitlines()[-TELL:]) or "without a word"
        raise Refused("unreadable", f"ffmpeg ended with {said.returncode}: {last}")


def whole(plan: Plan, made: Fraction) -> None:
    """Refuses a source of which much could not be read, such as an upload that was cut short."""
    missing = plan.source.seconds - float(made)
    if missing > max(1.0, plan.source.seconds / 50):
        raise Refused("broken", f"of its {plan.source.seconds:.1f} s only {float(made):.1f} s can be read")

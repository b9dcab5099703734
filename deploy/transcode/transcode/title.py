"""A title as it was packaged: what manifests tell is measured on the segments themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from . import boxes
from .boxes import Init, Segment, Unreadable
from .encode import Plan
from .ladder import Rung
from .probe import Sound


@dataclass(frozen=True)
class Track:
    """One rendition of the picture, or one track of sound."""

    name: str
    init: Init
    segments: list[Segment]

    @property
    def seconds(self) -> Fraction:
        """All of it."""
        return sum((self.lasts(segment) for segment in self.segments), Fraction(0))

    @property
    def longest(self) -> Fraction:
        """The longest segment, in seconds."""
        return max(self.lasts(segment) for segment in self.segments)

    @property
    def target(self) -> int:
        """The longest segment as HLS counts, in whole seconds (RFC 8216, 4.3.3.1)."""
        return max(1, math.floor(self.longest + Fraction(1, 2)))

    def lasts(self, segment: Segment) -> Fraction:
        """Seconds of one segment."""
        return Fraction(segment.duration, self.init.timescale)

    @property
    def average(self) -> int:
        """Bits a second over all of it."""
        return round(sum(segment.size for segment in self.segments) * 8 / self.seconds)

    @property
    def peak(self) -> int:
        """The most bits a second over any run of segments that lasts half to one and a half of the target (RFC 8216, 4.1)."""
        rates = [self._rate(run) for run in self._runs(Fraction(self.target, 2), Fraction(3 * self.target, 2))]
        # A title shorter than half a target has no such run: it is one itself.
        return max(rates, default=self._rate(self.segments))

    def _runs(self, least: Fraction, most: Fraction) -> list[list[Segment]]:
        runs = []
        for first in range(len(self.segments)):
            length = Fraction(0)
            for last in range(first, len(self.segments)):
                length += self.lasts(self.segments[last])
                if length > most:
                    break
                if length >= least:
                    runs.append(self.segments[first : last + 1])
        return runs

    def _rate(self, run: list[Segment]) -> int:
        return round(sum(s.size for s in run) * 8 / sum((self.lasts(s) for s in run), Fraction(0)))


@dataclass(frozen=True)
class Title:
    """All tracks, and what the manifests say of them."""

    plan: Plan
    pictures: list[tuple[Rung, Track]]
    sounds: list[tuple[Sound, Track]]

    @property
    def seconds(self) -> Fraction:
        """As long as the picture: sound ends with its last whole frame before that."""
        return self.pictures[0][1].seconds

    @property
    def tracks(self) -> list[Track]:
        """Of picture and sound."""
        return [track for _, track in [*self.pictures, *self.sounds]]

    @classmethod
    def read(cls, plan: Plan, folder: Path) -> Title:
        """Reads what was written, and sets it right where ffmpeg does not."""
        pictures = [(rung, _track(folder / rung.name)) for rung in plan.rungs]
        sounds = [(sound, _track(folder / name)) for sound, name in zip(plan.source.sounds, plan.sounds, strict=True)]
        title = cls(plan, pictures, sounds)
        title._align()
        return title

    def _align(self) -> None:
        """Holds the renditions to the same borders: players change there, and the MPD has one time line for all."""
        (_, first), *others = self.pictures
        for _, track in others:
            if track.init.timescale != first.init.timescale or _borders(track) != _borders(first):
                raise Unreadable(f"the segments of {track.name} do not begin where those of {first.name} do")


def _borders(track: Track) -> list[tuple[int, int]]:
    return [(segment.start, segment.duration) for segment in track.segments]


def _track(folder: Path) -> Track:
    paths = sorted(folder.glob("seg-*.m4s"), key=lambda path: int(path.stem.removeprefix("seg-")))
    if not paths:
        raise Unreadable(f"{folder.name} has no segments")
    boxes.settle(paths)
    init = boxes.read_init((folder / "init.mp4").read_bytes())
    return Track(folder.name, init, [boxes.read_segment(path) for path in paths])

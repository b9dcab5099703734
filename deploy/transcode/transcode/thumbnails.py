"""Small pictures to show over a player's time line: sheets of them, and the WebVTT that says which is where."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

# Seconds between two of them, at least and at most; and about so many for a title in between.
CLOSEST, FARTHEST, ABOUT = 2, 10, 100
WIDTH = 160


@dataclass(frozen=True)
class Sheet:
    """How the small pictures lie on a sheet, and how far they are apart."""

    width: int
    height: int
    # Seconds.
    every: int
    columns: int = 5
    rows: int = 5

    @classmethod
    def of(cls, width: int, height: int, seconds: float) -> Sheet:
        """For a picture of some size that lasts so long."""
        every = min(FARTHEST, max(CLOSEST, round(seconds / ABOUT)))
        return cls(WIDTH, max(2, round(WIDTH * height / width / 2) * 2), every)

    @property
    def on_each(self) -> int:
        """Pictures on a sheet."""
        return self.columns * self.rows

    def pictures(self, rate: Fraction) -> int:
        """The pictures of the title between two small ones."""
        return round(rate * self.every)

    def vtt(self, rate: Fraction, seconds: Fraction, folder: str) -> str:
        """The track: `folder` is where the sheets lie, from where the track does."""
        apart = Fraction(self.pictures(rate)) / rate
        lines = ["WEBVTT", ""]
        for number in range(math.ceil(seconds / apart)):
            sheet, place = divmod(number, self.on_each)
            row, column = divmod(place, self.columns)
            area = f"{column * self.width},{row * self.height},{self.width},{self.height}"
            begin, end = apart * number, min(apart * (number + 1), seconds)
            lines += [f"{_clock(begin)} --> {_clock(end)}", f"{folder}/{sheet + 1}.jpg#xywh={area}", ""]
        return "\n".join(lines)


def _clock(seconds: Fraction) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"

"""Which renditions a source gets. Nothing here looks at a file: sizes and rates in, a plan out."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

# The short side of the picture, and its most kilobits a second at up to 30 pictures a second.
RUNGS = ((2160, 14_000), (1440, 9_000), (1080, 4_800), (720, 2_600), (480, 1_200), (360, 650), (240, 320))
# Below the lowest rung there is one rendition, as large as the source.
LEAST = 64

RATES = tuple(Fraction(rate) for rate in ("24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60"))
# How far the stated rate of a file may be from the one it means.
SAME = Fraction(1, 1000)


@dataclass(frozen=True)
class Rung:
    """One rendition of the picture."""

    name: str
    width: int
    height: int
    kbps: int


def rungs(width: int, height: int, rate: Fraction, max_height: int) -> list[Rung]:
    """The renditions, largest first, for a picture of square pixels. None is larger than the source."""
    short = min(width, height)
    fitting = [rung for rung in RUNGS if rung[0] <= min(short, max_height)]
    if not fitting:
        own = max(LEAST, min(short, max_height))
        fitting = [(own, max(150, RUNGS[-1][1] * own // RUNGS[-1][0]))]
    # More pictures a second look more alike: twice as many take half as much again.
    factor = Fraction(3, 2) if rate > 30 else Fraction(1)
    return [
        Rung(f"v{size}", _even(width * size, short), _even(height * size, short), int(kbps * factor))
        for size, kbps in fitting
    ]


def _even(numerator: int, denominator: int) -> int:
    # 4:2:0 has one value of colour for two pixels.
    return max(2, round(Fraction(numerator, denominator) / 2) * 2)


def picture_rate(stated: Fraction) -> Fraction:
    """The steady rate that a source is shown at: its own where it is a usual one, else one that has a place for each of its
    pictures."""
    for rate in RATES:
        if abs(stated - rate) <= rate * SAME:
            return rate
    multiples = [rate for rate in RATES if stated > 0 and abs(rate / stated - round(rate / stated)) <= SAME]
    if multiples and multiples[0] >= stated:
        return multiples[0]
    return Fraction(30) if stated <= 30 else Fraction(60)


@dataclass(frozen=True)
class Cut:
    """Where segments begin, the same in every rendition: a player changes there."""

    rate: Fraction
    # Pictures between two places that a player may begin at.
    gop: int
    # Seconds.
    segment: Fraction


def cut(rate: Fraction) -> Cut:
    """About two seconds between starting places, two of them to a segment."""
    gop = round(rate * 2)
    return Cut(rate, gop, Fraction(2 * gop) / rate)

"""Which renditions there are."""

import unittest
from fractions import Fraction

from transcode.ladder import cut, picture_rate, rungs
from transcode.thumbnails import Sheet


def sizes(width: int, height: int, max_height: int = 1080) -> list[tuple[int, int]]:
    return [(rung.width, rung.height) for rung in rungs(width, height, Fraction(25), max_height)]


class Ladder(unittest.TestCase):
    def test_nothing_is_made_larger(self) -> None:
        self.assertEqual(sizes(1280, 720), [(1280, 720), (854, 480), (640, 360), (426, 240)])
        self.assertEqual(sizes(1279, 719)[0], (854, 480))
        self.assertEqual(sizes(3840, 2160)[0], (1920, 1080))
        self.assertEqual(sizes(3840, 2160, 2160)[0], (3840, 2160))

    def test_a_small_source_keeps_its_size(self) -> None:
        self.assertEqual(sizes(320, 180), [(320, 180)])

    def test_a_picture_that_stands_upright_stays_so(self) -> None:
        self.assertEqual(sizes(1080, 1920)[:2], [(1080, 1920), (720, 1280)])

    def test_every_side_is_even(self) -> None:
        for width, height in ((1001, 333), (2351, 1000), (99, 97), (7000, 240)):
            for side in (side for size in sizes(width, height) for side in size):
                self.assertEqual(side % 2, 0)

    def test_fast_pictures_have_more_bits(self) -> None:
        slow, fast = (rungs(1280, 720, Fraction(rate), 1080)[0].kbps for rate in (25, 50))
        self.assertEqual(fast, slow * 3 // 2)

    def test_rates_become_usual_ones(self) -> None:
        for stated, meant in (
            (Fraction(2997, 100), Fraction(30000, 1001)),
            (Fraction(24000, 1001), Fraction(24000, 1001)),
            (Fraction(25), Fraction(25)),
            (Fraction(15), Fraction(30)),
            (Fraction(25, 2), Fraction(25)),
            (Fraction(10), Fraction(30)),
            (Fraction(120), Fraction(60)),
            (Fraction(1731, 100), Fraction(30)),
            (Fraction(43), Fraction(60)),
        ):
            self.assertEqual(picture_rate(stated), meant, stated)

    def test_segments_are_whole_groups_of_pictures(self) -> None:
        for rate, gop, seconds in (
            (Fraction(25), 50, Fraction(4)),
            (Fraction(30000, 1001), 60, Fraction(1001, 250)),
            (Fraction(24000, 1001), 48, Fraction(1001, 250)),
            (Fraction(60), 120, Fraction(4)),
        ):
            self.assertEqual((cut(rate).gop, cut(rate).segment), (gop, seconds))
            # The muxer is told in microseconds: nothing may be lost by that, or borders drift.
            self.assertEqual(seconds * 1_000_000 % 1, 0)


class Thumbnails(unittest.TestCase):
    def test_every_moment_has_its_place(self) -> None:
        sheet = Sheet.of(1280, 720, 120)
        self.assertEqual((sheet.width, sheet.height, sheet.every), (160, 90, 2))
        track = sheet.vtt(Fraction(25), Fraction(61), "v/thumbs")
        cues = [block.split("\n") for block in track.strip().split("\n\n")[1:]]
        self.assertEqual(len(cues), 31)
        self.assertEqual(cues[0], ["00:00:00.000 --> 00:00:02.000", "v/thumbs/1.jpg#xywh=0,0,160,90"])
        self.assertEqual(cues[7][1], "v/thumbs/1.jpg#xywh=320,90,160,90")
        self.assertEqual(cues[25][1], "v/thumbs/2.jpg#xywh=0,0,160,90")
        self.assertEqual(cues[30][0], "00:01:00.000 --> 00:01:01.000")

    def test_long_titles_have_them_farther_apart(self) -> None:
        self.assertEqual([Sheet.of(16, 9, seconds).every for seconds in (10, 500, 7200)], [2, 5, 10])

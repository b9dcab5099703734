"""What is an upload that a title can be made of; asked of real files."""

import tempfile
import unittest
from fractions import Fraction
from pathlib import Path

from transcode.probe import Source, probe
from transcode.refusal import Refused

from .clips import clip, ffmpeg


class Probe(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def refused(self, path: Path, reason: str, words: str, max_seconds: int = 60) -> None:
        with self.assertRaisesRegex(Refused, words) as told:
            probe(path, max_seconds)
        self.assertEqual(told.exception.reason, reason)

    def test_what_there_is_to_work_with(self) -> None:
        tags = ("-metadata:s:a:1", "language=fra", "-metadata:s:a:1", 'title=A "quiet" one')
        source = probe(clip(self.folder / "a.mkv", picture="s=320x180:r=24000/1001", sounds=2, more=tags), 60)
        self.assertEqual((source.width, source.height, source.rate), (320, 180, Fraction(24000, 1001)))
        self.assertAlmostEqual(source.seconds, 2, delta=0.1)
        self.assertEqual(
            [(s.index, s.language, s.label) for s in source.sounds], [(1, "und", "Sound 1"), (2, "fra", "A quiet one")]
        )
        self.assertFalse(source.interlaced or source.hdr)

    def test_a_picture_is_as_it_is_shown(self) -> None:
        plain = clip(self.folder / "a.mp4", sounds=0)
        before, after = (["-display_rotation", "90"], []) if _knows_rotation() else ([], ["-metadata:s:v", "rotate=90"])
        ffmpeg(*before, "-i", str(plain), "-c", "copy", *after, str(self.folder / "turned.mp4"))
        self.assertEqual(_size(probe(self.folder / "turned.mp4", 60)), (180, 320))
        wide = clip(self.folder / "b.mp4", picture="s=360x288:r=25", sounds=0, more=("-vf", "setsar=64/45"))
        self.assertEqual(_size(probe(wide, 60)), (512, 288))

    def test_fields_and_high_dynamic_range_are_seen(self) -> None:
        lines = ("-flags", "+ildct+ilme", "-x264-params", "tff=1")
        fields = clip(self.folder / "a.mp4", sounds=0, more=lines)
        self.assertTrue(probe(fields, 60).interlaced)
        colours = ("-color_trc", "smpte2084", "-color_primaries", "bt2020", "-colorspace", "bt2020nc")
        bright = clip(self.folder / "b.mp4", sounds=0, more=colours)
        self.assertTrue(probe(bright, 60).hdr)

    def test_what_is_no_video_is_refused(self) -> None:
        text = self.folder / "a.mp4"
        text.write_text("hello, this is no film\n" * 100)
        self.refused(text, "not_video", "it is no video file")
        sound = self.folder / "b.m4a"
        ffmpeg("-f", "lavfi", "-i", "sine=440:d=1", "-c:a", "aac", str(sound))
        self.refused(sound, "no_picture", "it has no picture, only audio")
        picture = self.folder / "c.png"
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64", "-frames:v", "1", str(picture))
        self.refused(picture, "not_video", "it is no video file")

    def test_a_playlist_in_disguise_fetches_nothing(self) -> None:
        clip(self.folder / "secret.ts", sounds=0)
        playlist = self.folder / "a.mp4"
        playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsecret.ts\n#EXT-X-ENDLIST\n")
        self.refused(playlist, "not_video", "it is no video file")
        script = self.folder / "b.mp4"
        script.write_text("ffconcat version 1.0\nfile secret.ts\n")
        self.refused(script, "not_video", "it is no video file")

    def test_a_cover_is_no_picture(self) -> None:
        cover = self.folder / "cover.png"
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64", "-frames:v", "1", str(cover))
        song = self.folder / "a.m4a"
        words = [
            "-f",
            "lavfi",
            "-i",
            "sine=440:d=1",
            "-i",
            str(cover),
            "-map",
            "0",
            "-map",
            "1",
            "-c:a",
            "aac",
            "-c:v",
            "copy",
        ]
        ffmpeg(*words, "-disposition:v:0", "attached_pic", str(song))
        self.refused(song, "no_picture", "it has no picture")

    def test_length_is_bounded(self) -> None:
        self.refused(clip(self.folder / "a.mp4", seconds=3), "too_long", "it lasts 3 s, and at most 2 s", max_seconds=2)
        self.refused(clip(self.folder / "b.mp4", seconds=0.2, sounds=0), "too_short", "it lasts 0.20 s")


def _size(source: Source) -> tuple[int, int]:
    return source.width, source.height


def _knows_rotation() -> bool:
    """ffmpeg 6 writes the turn of a picture by an option of its own, earlier ones by a tag."""
    try:
        ffmpeg("-display_rotation", "0", "-f", "lavfi", "-i", "testsrc2=s=64x64", "-frames:v", "1", "-f", "null", "-")
    except AssertionError:
        return False
    return True

"""What is read of CMAF, and set right in it."""

import struct
import tempfile
import unittest
from pathlib import Path

from transcode import boxes

from .clips import clip, ffmpeg


def offsets(path: Path) -> list[int]:
    """The composition offsets in a segment, read without the code under test's help in reading them."""
    data = path.read_bytes()
    at = data.index(b"trun") + 4
    flags, count = struct.unpack_from(">II", data, at)
    words = [bool(flags & bit) for bit in (0x100, 0x200, 0x400, 0x800)]
    # After the count there are the offset of the data and, where a flag says so, the first sample's own flags.
    first, step = at + 12 + 4 * bool(flags & 4), 4 * sum(words)
    return [struct.unpack_from(">i", data, first + n * step + step - 4)[0] for n in range(count)]


class Boxes(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        source = clip(self.folder / "a.mp4", seconds=5)
        # Not as CMAF: then pictures come late by as many as are decoded before the first that is shown.
        out = [
            "-f",
            "hls",
            "-hls_segment_type",
            "fmp4",
            "-hls_time",
            "2",
            "-hls_segment_options",
            "movflags=+skip_sidx:use_editlist=0",
        ]
        for kind, name in (("v", "picture"), ("a", "sound")):
            codec = ["-c:v", "libx264", "-bf", "2", "-g", "50", "-b_strategy", "0"] if kind == "v" else ["-c:a", "aac"]
            (self.folder / name).mkdir()
            where = [
                "-hls_segment_filename",
                str(self.folder / name / "seg-%d.m4s"),
                str(self.folder / name / "index.m3u8"),
            ]
            ffmpeg("-i", str(source), "-map", f"0:{kind}", *codec, *out, *where)
        self.segments = sorted((self.folder / "picture").glob("seg-*.m4s"))

    def test_an_init_segment_tells_clock_and_codec(self) -> None:
        picture = boxes.read_init((self.folder / "picture/init.mp4").read_bytes())
        self.assertEqual(picture.timescale, 12_800)
        self.assertRegex(picture.codec, r"^avc1\.[0-9A-F]{6}$")
        self.assertEqual(
            boxes.read_init((self.folder / "sound/init.mp4").read_bytes()), boxes.Init(44_100, "mp4a.40.2")
        )

    def test_segments_follow_each_other(self) -> None:
        read = [boxes.read_segment(path) for path in self.segments]
        self.assertEqual([s.start for s in read], [0, 2 * 12_800, 4 * 12_800])
        self.assertEqual([s.duration for s in read], [2 * 12_800, 2 * 12_800, 12_800])
        self.assertEqual(read[0].size, self.segments[0].stat().st_size)

    def test_pictures_are_put_where_they_belong(self) -> None:
        before = [offsets(path) for path in self.segments]
        late = before[0][0]
        self.assertGreater(late, 0, "ffmpeg does right what this sets right: nothing is shown here")
        boxes.settle(self.segments)
        after = [offsets(path) for path in self.segments]
        self.assertEqual(after, [[offset - late for offset in some] for some in before])
        boxes.settle(self.segments)
        self.assertEqual([offsets(path) for path in self.segments], after, "a second time changes something")

    def test_what_is_cut_short_is_told(self) -> None:
        with self.assertRaises(boxes.Unreadable):
            boxes.read_init((self.folder / "picture/init.mp4").read_bytes()[:300])
        self.segments[0].write_bytes(self.segments[0].read_bytes()[:400])
        with self.assertRaises(boxes.Unreadable):
            boxes.read_segment(self.segments[0])

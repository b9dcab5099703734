"""What the environment may say."""

import unittest

from transcode.settings import Settings, Wrong


class Environment(unittest.TestCase):
    def test_a_bucket_is_enough(self) -> None:
        self.assertEqual(Settings.of({"MEDIA_BUCKET": "media"}), Settings("media"))

    def test_all_that_is_wrong_is_told_at_once(self) -> None:
        env = {"MAX_SECONDS": "1h", "UPLOADS_PREFIX": "uploads", "PRESET": "placebo", "MAX_BYTES": "0"}
        with self.assertRaises(Wrong) as told:
            Settings.of(env)
        lines = str(told.exception).splitlines()
        self.assertEqual(
            [line.split(":")[0] for line in lines],
            ["MEDIA_BUCKET=", "UPLOADS_PREFIX=uploads", "PRESET=placebo", "MAX_BYTES=0", "MAX_SECONDS=1h"],
        )

    def test_titles_are_not_uploads(self) -> None:
        with self.assertRaisesRegex(Wrong, "neither may lie in the other"):
            Settings.of({"MEDIA_BUCKET": "media", "UPLOADS_PREFIX": "a/", "TITLES_PREFIX": "a/titles/"})

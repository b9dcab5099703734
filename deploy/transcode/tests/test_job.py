"""An upload becomes a title in a store that speaks S3, over HTTP."""

import json
import logging
import os
import tempfile
import tomllib
import unittest
import xml.etree.ElementTree as ET
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from moto.server import ThreadedMotoServer

from transcode import handler, job, store
from transcode.events import Upload
from transcode.refusal import Refused, Superseded
from transcode.settings import Settings

from .clips import clip

REFERENCE = Path(__file__).parents[3] / "config/reference.toml"
MPD = "{urn:mpeg:dash:schema:mpd:2011}"


class Context:
    """As much of Lambda's context as is asked for."""

    def __init__(self, seconds: float = 300) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return round(self.seconds * 1000)


class Jobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.file = clip(Path(folder.name) / "a.mp4", seconds=5)
        cls.silent = clip(Path(folder.name) / "b.mp4", seconds=1, sounds=0)
        # The server tells of every request it answers.
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        cls.addClassCleanup(server.stop)
        host, port = server.get_host_and_port()
        env = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "MEDIA_BUCKET": "media",
            "PRESET": "ultrafast",
        }
        changed = patch.dict(os.environ, env)
        changed.start()
        cls.addClassCleanup(changed.stop)

    def setUp(self) -> None:
        handler._means.cache_clear()
        self.s3, self.settings = handler._means()
        for bucket in ("incoming", "media"):
            self.s3.create_bucket(Bucket=bucket)
        self.addCleanup(self.empty)

    def empty(self) -> None:
        for bucket in ("incoming", "media"):
            for key in self.keys(bucket):
                self.s3.delete_object(Bucket=bucket, Key=key)

    def keys(self, bucket: str = "media") -> list[str]:
        return [found["Key"] for found in self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]

    def upload(self, key: str, body: bytes) -> Upload:
        self.s3.put_object(Bucket="incoming", Key=key, Body=body)
        return Upload("incoming", key)

    def get(self, key: str) -> str:
        return str(self.s3.get_object(Bucket="media", Key=key)["Body"].read().decode())

    def run_job(self, upload: Upload) -> job.Made:
        return job.run(self.s3, self.settings, upload, lambda: 300)

    def test_a_title_is_whole_before_anybody_can_find_it(self) -> None:
        upload = self.upload("uploads/films/one.mp4", self.file.read_bytes())
        done: list[str] = []
        note = self.s3.meta.events.register
        note("provide-client-params.s3.PutObject", lambda params, context, **_: context.update(key=params["Key"]))
        note("after-call.s3.PutObject", lambda context, **_: done.append(context["key"]))
        made = self.run_job(upload)
        home = "titles/films/one"
        self.assertEqual((made.title, made.new, made.objects), ("films/one", True, len(done)))
        self.assertEqual(sorted(done), sorted(self.keys()))
        self.assertEqual(done[-2:], [f"{home}/master.m3u8", f"{home}/manifest.mpd"])
        playlists = [n for n, key in enumerate(done) if key.endswith("index.m3u8")]
        media = [n for n, key in enumerate(done) if key.endswith((".m4s", "init.mp4"))]
        self.assertLess(max(media), min(playlists))
        self.assertEqual(len(playlists), 2)

    def test_manifests_name_what_is_there(self) -> None:
        made = self.run_job(self.upload("uploads/one.mp4", self.file.read_bytes()))
        home, keys = "titles/one", self.keys()
        named = set()
        playlist = self.get(f"{home}/master.m3u8")
        for line in playlist.splitlines():
            uri = line.partition('URI="')[2].rstrip('"') if line.startswith("#") else line
            if not uri:
                continue
            self.assertTrue(uri.startswith(f"{made.version}/"), uri)
            folder = uri.rpartition("/")[0]
            lines = self.get(f"{home}/{uri}").splitlines()
            named |= {
                f"{home}/{folder}/{segment}"
                for segment in [*(line for line in lines if not line.startswith("#")), "init.mp4"]
            }
        self.assertTrue(named)
        self.assertLessEqual(named, set(keys))
        root = ET.fromstring(self.get(f"{home}/manifest.mpd"))
        for representation in root.iter(f"{MPD}Representation"):
            name = representation.get("id")
            count = len([key for key in named if f"/{name}/seg-" in key])
            sets = [s for s in root.iter(f"{MPD}AdaptationSet") if representation in list(s)]
            timeline = list(sets[0].iter(f"{MPD}S"))
            self.assertEqual(sum(1 + int(s.get("r", 0)) for s in timeline), count, name)
        for block in self.get(f"{home}/thumbnails.vtt").split("\n\n")[1:]:
            image = block.splitlines()[1].partition("#")[0]
            self.assertIn(f"{home}/{image}", keys)

    def test_sound_ends_with_the_picture_and_not_after_it(self) -> None:
        made = self.run_job(self.upload("uploads/one.mp4", self.file.read_bytes()))
        ends = {}
        for track in ("v180", "a1"):
            playlist = self.get(f"titles/one/{made.version}/{track}/index.m3u8")
            ends[track] = sum(float(line[8:-1]) for line in playlist.splitlines() if line.startswith("#EXTINF:"))
        self.assertEqual(ends["v180"], 5)
        self.assertLessEqual(ends["a1"], 5)
        self.assertGreater(ends["a1"], 5 - 2 * 1024 / 48_000)

    def test_objects_carry_what_caudal_would_say_of_them(self) -> None:
        self.run_job(self.upload("uploads/one.mp4", self.file.read_bytes()))
        freshness = tomllib.loads(REFERENCE.read_text())["freshness"]
        expected = {
            ".m4s": ("video/iso.segment", freshness["segment"]["cache_control"]),
            ".mp4": (None, freshness["init"]["cache_control"]),
            ".mpd": ("application/dash+xml", freshness["manifest"]["cache_control"]),
            ".vtt": ("text/vtt", freshness["other"]["cache_control"]),
        }
        seen = set()
        for key in self.keys():
            head = self.s3.head_object(Bucket="media", Key=key)
            suffix = Path(key).suffix
            if suffix in expected:
                kind, cache_control = expected[suffix]
                self.assertEqual(head["CacheControl"], cache_control, key)
                self.assertEqual(head["ContentType"], kind or ("audio/mp4" if "/a1/" in key else "video/mp4"), key)
                seen.add(suffix)
            elif suffix == ".m3u8":
                manifest = key.endswith("master.m3u8")
                name = "manifest" if manifest else "segment"
                self.assertEqual(head["CacheControl"], freshness[name]["cache_control"], key)
        self.assertEqual(seen, set(expected))

    def test_the_same_upload_is_not_made_twice(self) -> None:
        upload = self.upload("uploads/one.mp4", self.silent.read_bytes())
        first, keys = self.run_job(upload), self.keys()
        again = self.run_job(upload)
        self.assertEqual((again.new, again.version, self.keys()), (False, first.version, keys))
        # One that was interrupted before its last manifest is finished by the next.
        self.s3.delete_object(Bucket="media", Key="titles/one/manifest.mpd")
        self.assertTrue(self.run_job(upload).new)
        self.assertEqual(self.keys(), keys)

    def test_another_upload_of_the_name_replaces_the_title(self) -> None:
        before = self.run_job(self.upload("uploads/one.mp4", self.silent.read_bytes()))
        after = self.run_job(self.upload("uploads/one.mp4", self.file.read_bytes()))
        self.assertNotEqual(before.version, after.version)
        self.assertIn(f"{after.version}/v180/index.m3u8", self.get("titles/one/master.m3u8"))
        self.assertNotIn(before.version, self.get("titles/one/manifest.mpd"))
        # Who began with the former goes on with it.
        self.assertIn(f"titles/one/{before.version}/v180/seg-1.m4s", self.keys())

    def test_an_upload_that_is_replaced_meanwhile_becomes_no_title(self) -> None:
        upload = self.upload("uploads/one.mp4", self.silent.read_bytes())
        encode = job.encode

        def replaced(*args: Any) -> None:
            encode(*args)
            self.upload("uploads/one.mp4", b"another")

        with patch.object(job, "encode", replaced), self.assertRaises(Superseded):
            self.run_job(upload)
        self.assertNotIn("titles/one/master.m3u8", self.keys())

    def test_no_sound_is_no_sound(self) -> None:
        self.run_job(self.upload("uploads/one.mov", self.silent.read_bytes()))
        playlist, mpd = self.get("titles/one/master.m3u8"), self.get("titles/one/manifest.mpd")
        self.assertNotIn("AUDIO", playlist)
        self.assertNotIn("mp4a", playlist + mpd)
        self.assertNotIn('contentType="audio"', mpd)

    def test_what_is_cut_short_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            whole = clip(Path(folder) / "a.mp4", seconds=20, sounds=0, more=("-movflags", "+faststart")).read_bytes()
        with self.assertRaises(Refused) as told:
            self.run_job(self.upload("uploads/one.mp4", whole[: len(whole) // 2]))
        self.assertIn(told.exception.reason, ("broken", "unreadable"))
        self.assertEqual([key for key in self.keys() if key.endswith((".m3u8", ".mpd"))], [])

    def test_bounds_hold_before_anything_is_fetched(self) -> None:
        upload = self.upload("uploads/one.mp4", b"x" * 1000)
        small = Settings(media_bucket="media", max_bytes=999)
        with patch.object(store, "shutil", None), self.assertRaisesRegex(Refused, "it has 1000 bytes, and at most 999"):
            job.run(self.s3, small, upload, lambda: 300)

    def test_names_are_names(self) -> None:
        self.assertEqual(job.title_name("uploads/films/one.two.mp4", "uploads/"), "films/one.two")
        self.assertEqual(job.title_name("uploads/one", "uploads/"), "one")
        for key in (
            "uploads/my film.mp4",
            "uploads/../x.mp4",
            "uploads/.mp4",
            "uploads/a//b.mp4",
            "other/a.mp4",
            "uploads/",
        ):
            with self.assertRaises(Refused, msg=key):
                job.title_name(key, "uploads/")

    def test_of_a_batch_only_what_may_succeed_comes_back(self) -> None:
        self.upload("uploads/good.mp4", self.silent.read_bytes())
        self.upload("uploads/bad.mp4", b"no film at all")

        def record(name: str, bucket: str, key: str) -> dict[str, str]:
            s3 = {"bucket": {"name": bucket}, "object": {"key": key}}
            event = {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}]}
            return {"eventSource": "aws:sqs", "messageId": name, "body": json.dumps(event)}

        told = StringIO()
        batch = [record("m1", "incoming", "uploads/bad.mp4"), record("m2", "incoming", "uploads/good.mp4")]
        batch += [record("m3", "nobody-s", "uploads/a.mp4"), {"eventSource": "aws:sqs", "messageId": "m4", "body": "{"}]
        # The bucket of m3 is there for others only; for a moment, or for ever: the queue tries again, and gives up in the end.
        refuse = store.look

        def look(s3: Any, upload: Upload) -> store.Found:
            if upload.bucket == "nobody-s":
                raise OSError("the network is away")
            return refuse(s3, upload)

        with redirect_stdout(told), patch.object(store, "look", look):
            answer = handler.handler({"Records": batch}, Context())
        self.assertEqual(answer, {"batchItemFailures": [{"itemIdentifier": "m3"}, {"itemIdentifier": "m4"}]})
        lines = [json.loads(line) for line in told.getvalue().splitlines()]
        self.assertEqual([line["outcome"] for line in lines], ["refused", "made", "failed", "failed"])
        self.assertEqual(lines[0]["reason"], "not_video")
        self.assertEqual(lines[1]["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Caudal/Transcode")

    def test_a_function_without_time_says_so(self) -> None:
        self.upload("uploads/one.mp4", self.file.read_bytes())
        event = {"source": "aws.s3", "detail-type": "Object Created"}
        event["detail"] = {"bucket": {"name": "incoming"}, "object": {"key": "uploads/one.mp4"}}  # type: ignore[assignment]
        with self.assertRaisesRegex(Exception, "lower MAX_SECONDS or MAX_HEIGHT"):
            handler.handler(event, Context(seconds=handler.RESERVE))


if __name__ == "__main__":
    unittest.main()

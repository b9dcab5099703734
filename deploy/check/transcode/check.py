"""Proves the transcode function: upload -> function -> caudal -> Chromium. Run by `run`, beside this."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import boto3
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "deploy/platform"), str(Path(__file__).parent)]

from browser import judge, play  # noqa: E402
from processes import Failed, Processes, caudal, free_ports  # noqa: E402
from runtime_api import RuntimeApi  # noqa: E402
from tally import Tally, command  # noqa: E402

SOURCE = ROOT / "deploy/transcode"
TOOLS = ROOT / os.environ.get("TEST_TOOLS", ".tools") / "deploy/transcode"
BIN = TOOLS / "venv/bin"
SECONDS, SIZES = 12, {"v360": "640x360", "v240": "426x240"}
# What a busy machine may take to encode the clip.
ENCODING = 150.0


def unit_tests() -> None:
    """The function's own tests. None at all is a failure too."""
    said = command(BIN / "python", "-m", "unittest", "discover", "-s", ".", "-t", ".", cwd=SOURCE)
    ran = re.search(r"Ran (\d+) tests", said)
    assert ran and int(ran[1]) >= 30, f"few tests ran: {said[-500:]}"


class Scene:
    """A store, the function in Lambda's runtime client, and caudal before the store."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        store, self.edge, self.admin = free_ports(3)
        self.endpoint = f"http://127.0.0.1:{store}"
        self.env = {
            "AWS_ACCESS_KEY_ID": "check",
            "AWS_SECRET_ACCESS_KEY": "check",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        processes.start("store", [BIN / "moto_server", "-H", "127.0.0.1", "-p", str(store)])
        processes.await_answer("store", f"{self.endpoint}/moto-api/")
        self.s3 = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="check",
            aws_secret_access_key="check",
        )
        for bucket in ("incoming", "media"):
            self.s3.create_bucket(Bucket=bucket)
        self.api = RuntimeApi()
        function = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "MEDIA_BUCKET": "media",
            "AWS_LAMBDA_RUNTIME_API": self.api.address,
        }
        # As the image has it: the entry point, the command, the function's own folder.
        paths = {
            "PYTHONPATH": str(SOURCE),
            "AWS_LAMBDA_FUNCTION_NAME": "transcode",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "10240",
        }
        program: list[str | Path] = [BIN / "python", "-m", "awslambdaric", "transcode.handler.handler"]
        processes.start("function", program, {**self.env, **function, **paths})

    def serve(self) -> None:
        """Starts caudal."""
        config = self.processes.folder / "caudal.toml"
        config.write_text(
            f'[server]\nlisten = ["127.0.0.1:{self.edge}"]\n[admin]\nlisten = "127.0.0.1:{self.admin}"\n'
            f'[storage.media]\nkind = "s3"\nbucket = "media"\nregion = "us-east-1"\nendpoint = "{self.endpoint}"\n'
            f'path_style = true\n[[route]]\npath = "/titles/"\nstorage = "media"\n'
        )
        self.processes.start("caudal", [caudal(ROOT), "serve", "--config", config], self.env)
        self.processes.await_answer("caudal", f"http://127.0.0.1:{self.admin}/readyz")

    def url(self, path: str) -> str:
        """Of a file of the title."""
        return f"http://127.0.0.1:{self.edge}/titles/films/clip/{path}"

    def get(self, url: str) -> tuple[bytes, dict[str, str]]:
        """Asks caudal."""
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.read(), {name.lower(): value for name, value in answer.headers.items()}

    def upload(self, key: str, body: bytes) -> dict[str, Any]:
        """Puts an object, and returns the message that a queue would hold of it."""
        self.s3.put_object(Bucket="incoming", Key=key, Body=body)
        detail = {"bucket": {"name": "incoming"}, "object": {"key": key, "size": len(body)}}
        event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
        return {"eventSource": "aws:sqs", "messageId": key, "body": json.dumps(event)}


class Onlooker:
    """Asks for a title again and again while it is made, and follows what it finds."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.over = scene, threading.Event()
        self.holes: list[str] = []
        self.waited = 0
        self.thread = threading.Thread(target=self.look)
        self.thread.start()

    def look(self) -> None:
        home = "titles/films/clip"
        while not self.over.wait(0.02):
            for manifest in ("master.m3u8", "manifest.mpd"):
                try:
                    body = self.scene.s3.get_object(Bucket="media", Key=f"{home}/{manifest}")["Body"].read().decode()
                except ClientError:
                    self.waited += 1
                    continue
                there = {found["Key"] for found in self.scene.s3.list_objects_v2(Bucket="media")["Contents"]}
                named = re.findall(r"[0-9a-f]{16}/[a-z0-9]+/index\.m3u8", body)
                named += [f"{base}/v360/seg-3.m4s" for base in re.findall(r"<BaseURL>([0-9a-f]{16})/", body)]
                assert named
                self.holes += [name for name in named if f"{home}/{name}" not in there]

    def judge(self) -> None:
        """Ends it. It must have come too early, or it has seen nothing."""
        self.over.set()
        self.thread.join()
        assert self.waited > 10, "the title was there before anybody looked"
        assert not self.holes, f"manifests named what was not there: {self.holes[:5]}"


def made(scene: Scene, clip: Path) -> None:
    """The function makes a title, and lets go of what is none, in one batch."""
    good = scene.upload("uploads/films/clip.mp4", clip.read_bytes())
    bad = scene.upload("uploads/films/readme.mp4", b"no film at all")
    kind, said = scene.api.invoke({"Records": [bad, good]}, ENCODING)
    assert (kind, said) == ("response", {"batchItemFailures": []}), f"{kind}: {said}"
    told = scene.processes.tail("function", 50)
    outcomes = re.findall(r'"outcome": "(\w+)"', told)
    assert outcomes == ["refused", "made"], told
    again = scene.api.invoke({"Records": [good]}, ENCODING)
    assert '"outcome": "unchanged"' in scene.processes.tail("function", 3), f"a second time it is made again: {again}"


def served(scene: Scene) -> None:
    """Everything that a player would ask for comes, with the headers that were put beside it."""
    master, head = scene.get(scene.url("master.m3u8"))
    assert head["content-type"] == "application/vnd.apple.mpegurl", head
    assert "s-maxage=3600" in head["cache-control"], head
    playlists = [line for line in master.decode().splitlines() if line and not line.startswith("#")]
    playlists += re.findall(r'URI="([^"]+)"', master.decode())
    assert len(playlists) == 3, playlists
    for playlist in playlists:
        address = urljoin(scene.url("master.m3u8"), playlist)
        lines = scene.get(address)[0].decode().splitlines()
        for name in [*(line for line in lines if not line.startswith("#")), "init.mp4"]:
            body, head = scene.get(urljoin(address, name))
            assert "immutable" in head["cache-control"], (name, head)
            assert len(body) == int(head["content-length"]), name
            assert body[4:8] == (b"ftyp" if name == "init.mp4" else b"styp"), name


def stated(scene: Scene) -> None:
    """What the playlist says of a rendition is what ffprobe finds in it, and no segment exceeds its rate."""
    master = scene.get(scene.url("master.m3u8"))[0].decode()
    variants = re.findall(r'BANDWIDTH=(\d+),.*?CODECS="([^"]+)",RESOLUTION=(\d+x\d+).*\n(\S+)', master)
    assert {size for _, _, size, _ in variants} == set(SIZES.values()), variants
    for bandwidth, codecs, size, uri in variants:
        address = urljoin(scene.url("master.m3u8"), uri)
        words = "stream=width,height,profile,level,nb_read_frames"
        said = command("ffprobe", "-v", "error", "-count_frames", "-show_entries", words, "-of", "json", address)
        (stream,) = json.loads(said)["streams"]
        assert f"{stream['width']}x{stream['height']}" == size, (stream, size)
        assert stream["nb_read_frames"] == str(SECONDS * 25), stream
        assert codecs.split(",")[0].endswith(f"{stream['level']:02X}") and stream["profile"] == "High", (codecs, stream)
        lines = scene.get(address)[0].decode().splitlines()
        pairs = [(float(line[8:-1]), lines[n + 1]) for n, line in enumerate(lines) if line.startswith("#EXTINF:")]
        for seconds, name in pairs:
            rate = len(scene.get(urljoin(address, name))[0]) * 8 / seconds
            assert rate <= int(bandwidth), f"{name} of {size} has {rate:.0f} bit/s, more than {bandwidth}"


def thumbnails(scene: Scene) -> None:
    """The track covers the title, and its areas lie on its sheets."""
    track = scene.get(scene.url("thumbnails.vtt"))[0].decode()
    cues = re.findall(r"--> 00:00:([\d.]+)\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)", track)
    assert len(cues) == SECONDS // 2 and float(cues[-1][0]) == SECONDS, track
    for _, sheet, x, y, width, height in cues:
        said = command(
            "ffprobe", "-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0", scene.url(sheet)
        )
        wide, high = (int(side) for side in said.split(","))
        assert int(x) + int(width) <= wide and int(y) + int(height) <= high, (said, x, y)


def plays(scene: Scene, manifest: str) -> None:
    """In Chromium, to the end."""
    seen = play(f"http://127.0.0.1:{scene.admin}/player/", scene.url(manifest), TOOLS / "node/node_modules")
    wrong = judge(seen, SECONDS, len(SIZES))
    assert not wrong, "; ".join(wrong)


def make_clip(path: Path) -> None:
    """A moving test picture with a tone."""
    words = [
        "-f",
        "lavfi",
        "-i",
        f"testsrc2=s=640x360:r=25:d={SECONDS}",
        "-f",
        "lavfi",
        "-i",
        f"sine=440:r=44100:d={SECONDS}",
    ]
    command(
        "ffmpeg",
        "-v",
        "error",
        "-nostdin",
        "-y",
        *words,
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-c:a",
        "aac",
        path,
    )


def main() -> None:
    """All checks, in order."""
    tally = Tally()
    tally.check("hadolint: deploy/transcode/Dockerfile", lambda: command(BIN / "hadolint", SOURCE / "Dockerfile"))
    tally.check("ruff: the function", lambda: command(BIN / "ruff", "check", "--quiet", SOURCE))
    tally.check("mypy: the function", lambda: command(BIN / "mypy", "transcode", cwd=SOURCE))
    tally.check("the function's tests", unit_tests)
    with tempfile.TemporaryDirectory(prefix="caudal-transcode.") as folder, Processes(Path(folder)) as processes:
        clip = Path(folder) / "clip.mp4"
        make_clip(clip)
        scene = Scene(processes)
        onlooker = Onlooker(scene)
        tally.check("Lambda's runtime client has the function make a title, once", lambda: made(scene, clip))
        tally.check("nobody saw a manifest before what it names", onlooker.judge)
        scene.api.close()
        scene.serve()
        tally.check("caudal serves all of it, as it was put", lambda: served(scene))
        tally.check("playlists say what ffprobe finds", lambda: stated(scene))
        tally.check("thumbnails lie where their track says", lambda: thumbnails(scene))
        tally.check("Chromium plays HLS to the end", lambda: plays(scene, "master.m3u8"))
        tally.check("Chromium plays DASH to the end", lambda: plays(scene, "manifest.mpd"))
    sys.exit(tally.end("transcode"))


if __name__ == "__main__":
    try:
        main()
    except Failed as failed:
        print(f"FAIL  {failed}\ntranscode: stopped")
        sys.exit(1)

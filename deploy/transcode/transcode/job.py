"""One upload, from its key to a title that plays. Read run first."""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import ladder, manifests, store
from .encode import Clock, Plan, encode, whole
from .events import Upload
from .probe import probe
from .refusal import Refused, Superseded
from .settings import Settings
from .store import Found, Home
from .thumbnails import Sheet
from .title import Title

# Part of a title's version. It goes up with whatever changes the bytes that are made of an upload.
RECIPE = 1

# What names a title in URLs, without anything that has to be escaped.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


@dataclass(frozen=True)
class Made:
    """What became of an upload."""

    title: str
    version: str
    # False where the title was there already.
    new: bool
    seconds: float = 0.0
    objects: int = 0


def run(s3: Any, settings: Settings, upload: Upload, left: Clock) -> Made:
    """Makes a title of an upload.

    1. tells the title's name from the key,
    2. looks whether this very upload was made into it before,
    3. fetches it and looks what it is,
    4. encodes it into segments and measures those,
    5. puts them under a name that no other version has,
    6. and puts the manifests over them, if the upload is still the same.

    Everything before 6 can be done again or by two at once without anybody noticing. Raises Refused, Superseded, or
    whatever S3 answers.
    """
    name = title_name(upload.key, settings.uploads)
    found = store.look(s3, upload)
    version = version_of(found, settings)
    home = Home(s3, settings.media_bucket, f"{settings.titles}{name}/")
    if is_published(home, version):
        return Made(name, version, new=False)
    with tempfile.TemporaryDirectory(prefix="transcode.") as scratch:
        file, folder = Path(scratch, "upload"), Path(scratch, "title")
        store.fetch(s3, found, file, settings.max_bytes)
        plan = plan_for(file, settings)
        encode(plan, folder, left)
        title = Title.read(plan, folder)
        whole(plan, title.seconds)
        for track in title.tracks:
            (folder / track.name / "index.m3u8").write_text(manifests.media_playlist(track))
        # It is found beside the manifests, so that its address stays.
        poster = (folder / "poster.jpg").read_bytes()
        (folder / "poster.jpg").unlink()
        objects = home.put_media(folder, version)
    if store.look(s3, upload).etag != found.etag:
        raise Superseded("it was replaced while it was encoded")
    objects += publish(home, version, title, poster)
    return Made(name, version, True, float(title.seconds), objects)


def title_name(key: str, uploads: str) -> str:
    """uploads/films/one.mp4 becomes films/one. Raises Refused where that is no name for a URL."""
    if not key.startswith(uploads):
        raise Refused("name", f"only what lies below {uploads} is an upload (UPLOADS_PREFIX)")
    path = key.removeprefix(uploads)
    folder, _, file = path.rpartition("/")
    stem = file.rpartition(".")[0] or file
    name = f"{folder}/{stem}" if folder else stem
    if not NAME.fullmatch(name) or len(name) > 512:
        raise Refused(
            "name", f"{name!r} is no title's name: letters, digits, and -, _ or . between them; rename the upload"
        )
    return name


def version_of(found: Found, settings: Settings) -> str:
    """A name for what is made of this upload by these settings: the same again, another for anything else."""
    what = f"{found.etag} {found.size} {RECIPE} {settings.max_height} {settings.preset}"
    return hashlib.sha256(what.encode()).hexdigest()[:16]


def is_published(home: Home, version: str) -> bool:
    """Whether both manifests are of this version: the last thing that is put is the proof of all before."""
    return all(home.version_of(file) == version for file in ("master.m3u8", "manifest.mpd"))


def plan_for(file: Path, settings: Settings) -> Plan:
    """Looks at an upload and decides what to make of it."""
    source = probe(file, settings.max_seconds)
    rate = ladder.picture_rate(source.rate)
    rungs = ladder.rungs(source.width, source.height, rate, settings.max_height)
    sheet = Sheet.of(rungs[0].width, rungs[0].height, source.seconds)
    return Plan(source, rungs, ladder.cut(rate), sheet, settings.preset)


def publish(home: Home, version: str, title: Title, poster: bytes) -> int:
    """Puts what names the version: after it, the title is this one. The MPD comes last."""
    rate = title.plan.cut.rate
    thumbnails = title.plan.sheet.vtt(rate, title.seconds, f"{version}/thumbs")
    files = [
        ("poster.jpg", poster),
        ("thumbnails.vtt", thumbnails.encode()),
        ("master.m3u8", manifests.multivariant(title, version).encode()),
        ("manifest.mpd", manifests.mpd(title, version).encode()),
    ]
    for file, body in files:
        home.put_manifest(file, body, version)
    return len(files)

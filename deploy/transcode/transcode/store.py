"""S3: gets the upload, and puts the title so that nobody sees a manifest before what it names."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from .events import Upload
from .refusal import Refused, Superseded

# What is never rewritten under its name; and what is, when a title is replaced. These are caudal's own defaults.
FOREVER = "public, max-age=31536000, immutable"
MANIFEST = "public, max-age=60, s-maxage=3600, stale-while-revalidate=60, stale-if-error=86400"
OTHER = "public, max-age=3600"

TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".vtt": "text/vtt",
    ".jpg": "image/jpeg",
}
# Puts at once. Each takes a connection and some tens of milliseconds.
AT_ONCE = 16
# The metadata of a manifest that says what it was made of.
VERSION = "version"
CHUNK = 1 << 20
GONE = ("404", "NoSuchKey", "NoSuchVersion")


@dataclass(frozen=True)
class Found:
    """An upload as it lies there now."""

    upload: Upload
    etag: str
    size: int


def look(s3: Any, upload: Upload) -> Found:
    """Looks at an upload. Raises Superseded where it is gone."""
    try:
        head = s3.head_object(Bucket=upload.bucket, Key=upload.key)
    except ClientError as error:
        if error.response["Error"]["Code"] in GONE:
            raise Superseded("it is not there any more") from error
        raise
    return Found(upload, head["ETag"], head["ContentLength"])


def fetch(s3: Any, found: Found, to: Path, max_bytes: int) -> None:
    """Gets an upload, of the version that was looked at."""
    if found.size > max_bytes:
        raise Refused("too_large", f"it has {found.size} bytes, and at most {max_bytes} are taken (MAX_BYTES)")
    if found.size == 0:
        raise Refused("not_video", "it is empty")
    upload = found.upload
    try:
        answer = s3.get_object(Bucket=upload.bucket, Key=upload.key, IfMatch=found.etag)
    except ClientError as error:
        if error.response["Error"]["Code"] in (*GONE, "412", "PreconditionFailed"):
            raise Superseded("it was replaced before it was read") from error
        raise
    with to.open("wb") as file:
        shutil.copyfileobj(answer["Body"], file, CHUNK)


@dataclass(frozen=True)
class Home:
    """Where a title lies, for good: its manifests here, what they name below it, in a folder for every version."""

    s3: Any
    bucket: str
    # Ends with /.
    prefix: str

    def version_of(self, file: str) -> str | None:
        """What a manifest that is there was made of."""
        try:
            head = self.s3.head_object(Bucket=self.bucket, Key=f"{self.prefix}{file}")
        except ClientError as error:
            # Who may not list is told 403 of what is not there.
            if error.response["Error"]["Code"] in (*GONE, "403", "AccessDenied"):
                return None
            raise
        version: str | None = head["Metadata"].get(VERSION)
        return version

    def put_media(self, folder: Path, version: str) -> int:
        """Puts everything below a folder, playlists last, and returns how many objects that are."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        media = [path for path in paths if path.suffix != ".m3u8"]
        playlists = [path for path in paths if path.suffix == ".m3u8"]
        for some in (media, playlists):
            with ThreadPoolExecutor(AT_ONCE) as pool:
                names = [f"{version}/{path.relative_to(folder).as_posix()}" for path in some]
                puts = [pool.submit(self._put_file, name, path) for name, path in zip(names, some, strict=True)]
                for done in puts:
                    done.result()
        return len(paths)

    def _put_file(self, name: str, path: Path) -> None:
        # Read here and not before: a film would not fit into memory.
        self._put(name, path.read_bytes(), FOREVER, {})

    def put_manifest(self, file: str, body: bytes, version: str) -> None:
        """Puts what is found by its name alone, and replaced by the next version."""
        lifetime = MANIFEST if file.endswith((".m3u8", ".mpd")) else OTHER
        self._put(file, body, lifetime, {VERSION: version})

    def _put(self, name: str, body: bytes, lifetime: str, metadata: dict[str, str]) -> None:
        kind = TYPES[Path(name).suffix]
        if kind == "video/mp4" and name.split("/")[-2].startswith("a"):
            kind = "audio/mp4"
        key = f"{self.prefix}{name}"
        self.s3.put_object(
            Bucket=self.bucket, Key=key, Body=body, ContentType=kind, CacheControl=lifetime, Metadata=metadata
        )

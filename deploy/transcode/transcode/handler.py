"""Where Lambda comes in; and whoever runs the image as a job: python -m transcode.handler s3://BUCKET/KEY."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from . import job
from .events import Event, Upload, messages_of, uploads_of
from .refusal import Refused, Superseded
from .settings import Settings, Wrong

# What is left for uploading and for ending well when ffmpeg is stopped.
RESERVE = 30.0
NAMESPACE = "Caudal/Transcode"
# As a job there is nobody who ends it.
DAY = 86_400.0


@cache
def _means() -> tuple[Any, Settings]:
    """The client and the settings, which outlive an invocation."""
    retries = Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=32)
    return boto3.client("s3", config=retries), Settings.of(os.environ)


def handler(event: Event, context: Any) -> dict[str, Any]:
    """Makes titles of what the event tells of.

    Of an SQS batch only those messages come back to the queue that failed and may succeed: an upload that is no video is
    none the next time either.
    """

    def left() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000 - RESERVE

    messages = messages_of(event)
    if messages is None:
        return {"titles": [title for upload in uploads_of(event) if (title := make(upload, left))]}
    failed = []
    for message in messages:
        try:
            for upload in message.uploads():
                make(upload, left)
        except Exception as error:  # whatever it is, it must not fail the others
            tell("failed", message=message.id, error=f"{type(error).__name__}: {error}")
            failed.append({"itemIdentifier": message.id})
    return {"batchItemFailures": failed}


def make(upload: Upload, left: Callable[[], float]) -> str | None:
    """One upload; the title's name, or None where it became none and never will. Raises where trying again may help."""
    s3, settings = _means()
    began = time.monotonic()
    try:
        made = job.run(s3, settings, upload, left)
    except Refused as refused:
        tell("refused", upload, began, reason=refused.reason, error=str(refused))
        return None
    except Superseded as superseded:
        tell("superseded", upload, began, error=str(superseded))
        return None
    outcome = "made" if made.new else "unchanged"
    tell(
        outcome,
        upload,
        began,
        title=made.title,
        version=made.version,
        seconds=round(made.seconds, 3),
        objects=made.objects,
    )
    return made.title


def tell(outcome: str, upload: Upload | None = None, began: float | None = None, **words: object) -> None:
    """Writes a line of JSON, which CloudWatch counts by its outcome (the embedded metric format)."""
    metrics = [{"Name": "Uploads", "Unit": "Count"}]
    line: dict[str, object] = {"outcome": outcome, "Uploads": 1}
    if upload:
        line |= {"bucket": upload.bucket, "key": upload.key}
    if began is not None:
        line["Duration"] = round(time.monotonic() - began, 3)
        metrics.append({"Name": "Duration", "Unit": "Seconds"})
    counted = {"Namespace": NAMESPACE, "Dimensions": [["outcome"]], "Metrics": metrics}
    head = {"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [counted]}}
    print(json.dumps(head | line | words), flush=True)


def main() -> None:
    """A job for one upload: for what takes longer than a function may."""
    if len(sys.argv) != 2 or not sys.argv[1].startswith("s3://"):
        sys.exit("usage: python -m transcode.handler s3://BUCKET/KEY")
    bucket, _, key = sys.argv[1].removeprefix("s3://").partition("/")
    deadline = time.monotonic() + DAY
    try:
        title = make(Upload(bucket, key), lambda: deadline - time.monotonic())
    except Wrong as wrong:
        sys.exit(f"transcode: {wrong}")
    if title is None:
        sys.exit(1)


if __name__ == "__main__":
    main()

"""What a function is told: that something was uploaded, in one of four wrappings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

Event = dict[str, Any]


class Unknown(Exception):
    """An event that tells of no upload, which is a mistake of whoever connected it."""


@dataclass(frozen=True)
class Upload:
    """An object that was put into a bucket."""

    bucket: str
    key: str


@dataclass(frozen=True)
class Message:
    """One message of a queue. It is read when its turn comes, so that one that is broken fails alone."""

    id: str
    body: str

    def uploads(self) -> list[Upload]:
        """What it tells of."""
        try:
            event = json.loads(self.body)
        except ValueError as error:
            raise Unknown(f"the body of message {self.id} is no JSON: {error}") from error
        return uploads_of(event)


def messages_of(event: Event) -> list[Message] | None:
    """The messages of an SQS batch, or None where the event is none."""
    records = event.get("Records")
    if not isinstance(records, list) or not records or records[0].get("eventSource") != "aws:sqs":
        return None
    return [Message(record["messageId"], record["body"]) for record in records]


def uploads_of(event: Event) -> list[Upload]:
    """What an event of S3 or of EventBridge tells of. The event that S3 sends to try a connection tells of nothing."""
    if not isinstance(event, dict):
        raise Unknown(f"an event is an object, this is {type(event).__name__}")
    if event.get("Event") == "s3:TestEvent":
        return []
    try:
        if event.get("source") == "aws.s3" and event.get("detail-type") == "Object Created":
            detail = event["detail"]
            return [Upload(detail["bucket"]["name"], detail["object"]["key"])]
        records = event.get("Records", [])
        if records and all(record.get("eventSource") == "aws:s3" for record in records):
            return [_of_record(record["s3"]) for record in records if _is_created(record)]
    except (KeyError, TypeError, AttributeError) as error:
        raise Unknown(f"an event of S3 without what it should have: {error!r}") from error
    known = "an S3 notification, EventBridge's Object Created, or one of these in an SQS message"
    raise Unknown(f"an event with {', '.join(sorted(event)) or 'nothing'} in it: connect {known}")


def _is_created(record: Event) -> bool:
    return str(record["eventName"]).removeprefix("s3:").startswith("ObjectCreated:")


def _of_record(s3: Event) -> Upload:
    # Notifications escape keys as forms do; EventBridge does not.
    return Upload(s3["bucket"]["name"], unquote_plus(s3["object"]["key"]))

"""What events tell of."""

import json
import unittest
from typing import Any

from transcode.events import Unknown, Upload, messages_of, uploads_of


def notification(key: str, name: str = "ObjectCreated:Put") -> dict[str, Any]:
    s3 = {"bucket": {"name": "in"}, "object": {"key": key, "size": 1}}
    return {"Records": [{"eventSource": "aws:s3", "eventName": name, "s3": s3}]}


class Events(unittest.TestCase):
    def test_notifications_escape_keys_as_forms_do(self) -> None:
        self.assertEqual(uploads_of(notification("uploads/a+b%26c%C3%A9.mp4")), [Upload("in", "uploads/a b&cé.mp4")])

    def test_eventbridge_does_not(self) -> None:
        detail = {"bucket": {"name": "in"}, "object": {"key": "uploads/a+b%26.mp4"}}
        event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
        self.assertEqual(uploads_of(event), [Upload("in", "uploads/a+b%26.mp4")])

    def test_what_is_removed_is_no_upload(self) -> None:
        self.assertEqual(uploads_of(notification("uploads/a.mp4", "ObjectRemoved:Delete")), [])

    def test_the_event_that_tries_the_connection_is_none(self) -> None:
        self.assertEqual(uploads_of({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "in"}), [])

    def test_a_batch_of_messages_is_opened_one_by_one(self) -> None:
        bodies = [json.dumps(notification("uploads/a.mp4")), "{"]
        batch = {"Records": [{"eventSource": "aws:sqs", "messageId": f"m{n}", "body": b} for n, b in enumerate(bodies)]}
        messages = messages_of(batch) or []
        self.assertEqual(messages[0].uploads(), [Upload("in", "uploads/a.mp4")])
        with self.assertRaisesRegex(Unknown, "m1 is no JSON"):
            messages[1].uploads()

    def test_anything_else_is_named(self) -> None:
        with self.assertRaisesRegex(Unknown, "an event with httpMethod, path in it"):
            uploads_of({"httpMethod": "GET", "path": "/"})
        with self.assertRaisesRegex(Unknown, "without what it should have"):
            uploads_of({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}]})
        self.assertIsNone(messages_of(notification("uploads/a.mp4")))

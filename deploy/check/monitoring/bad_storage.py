"""What stands between caudal and S3 and has bad days: it asks to slow down, breaks bodies off, dawdles, or is gone.

Everything else passes through as it is. It is also the machine's role: /credentials is what ECS and EKS answer.
"""

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta

from background import Background

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
UNAVAILABLE = b"<Error><Code>ServiceUnavailable</Code><Message>Please try again.</Message></Error>"
PROBE = b".caudal-probe"  # readiness asks for it: it fails only when everything does


class BadStorage:
    def __init__(self, upstream: int):
        self.upstream, self.is_gone = upstream, False
        self.chance = random.Random(6)
        self.tasks: set[asyncio.Task] = set()  # the loop itself would forget them
        self.background = Background()
        self.server = self.background.run(self._listen())
        self.port = self.server.sockets[0].getsockname()[1]

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._connection, "127.0.0.1", 0)

    def end(self) -> None:
        self.background.loop.call_soon_threadsafe(self.server.close)
        self.background.end()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self.tasks.add(task)
        try:
            while await self._request(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the peer left, or we do
        finally:
            self.tasks.discard(task)
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether the connection lives on."""
        head = await reader.readuntil(b"\r\n\r\n")
        target = head.split(b" ", 2)[1]
        if target == b"/credentials":
            return await answer(writer, b"200 OK", b"application/json", credentials())
        if self.is_gone:
            return await answer(writer, b"503 Service Unavailable", b"application/xml", UNAVAILABLE)
        # moto takes some milliseconds, S3 some dozens.
        await asyncio.sleep(self.chance.lognormvariate(-3.6, 0.6))
        luck = 1.0 if PROBE in target else self.chance.random()
        if luck < 0.03:
            return await answer(writer, b"503 Slow Down", b"application/xml", SLOW_DOWN)
        if luck < 0.04:
            await asyncio.sleep(0.8)
        return await self._pass_on(head, writer, broken=0.04 <= luck < 0.055)

    async def _pass_on(self, head: bytes, writer: asyncio.StreamWriter, *, broken: bool) -> bool:
        theirs, ours = await asyncio.open_connection("127.0.0.1", self.upstream)
        try:
            ours.write(head)
            answered = await theirs.readuntil(b"\r\n\r\n")
            length = next((int(line[15:]) for line in answered.splitlines() if line.lower().startswith(b"content-length:")), 0)
            left = 0 if head.startswith(b"HEAD") or answered.split(b" ", 2)[1] in (b"204", b"304") else length
            if broken and left > 4096:
                writer.write(answered + await theirs.readexactly(left // 2))
                await writer.drain()
                return False
            writer.write(answered)
            while left and (piece := await theirs.read(min(left, 65536))):
                left -= len(piece)
                writer.write(piece)
                await writer.drain()
            return not left
        finally:
            ours.close()


async def answer(writer: asyncio.StreamWriter, status: bytes, kind: bytes, body: bytes) -> bool:
    writer.write(b"HTTP/1.1 %s\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n" % (status, kind, len(body)) + body)
    await writer.drain()
    return True


def credentials() -> bytes:
    end = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"AccessKeyId": "AKIAEXAMPLE", "SecretAccessKey": "none", "Token": "none", "Expiration": end}).encode()

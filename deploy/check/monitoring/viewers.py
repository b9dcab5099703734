"""Viewers of every kind: players that tell how they fare, range readers, the lost, the refused, the broken."""

import asyncio
import random
import ssl
import uuid
from pathlib import Path
from urllib.parse import quote

from background import Background

RENDITIONS = {"v240": 400, "v480": 1200, "v720": 2800}  # kbit/s


class Viewers:
    """They go on until `end`."""

    def __init__(self, ports: list[tuple[int, int]], trust: Path, token: str, titles: int):
        self.ports, self.trust, self.token, self.titles = ports, trust, token, titles
        self.chance = random.Random(7)
        kinds = [self.player] * 14 + [self.member] * 3 + [self.reader] * 2
        kinds += [self.lost, self.refused, self.broken, self.distrustful]
        self.background = Background()
        for kind in kinds:
            self.background.begin(self.keep_on(kind))

    def end(self) -> None:
        self.background.end()

    async def keep_on(self, kind) -> None:
        await asyncio.sleep(self.chance.random() * 2)
        while True:
            try:
                await kind()
            except (OSError, asyncio.IncompleteReadError, ssl.SSLError):
                await asyncio.sleep(0.2)

    async def player(self, prefix: str = "/films") -> None:
        """A session: the manifest, a playlist, init and segments at pace, with CMCD in the query."""
        async with self.connection(tls=self.chance.random() < 0.3) as viewer:
            title = f"{prefix}/t{self.popular()}"
            if self.chance.random() < 0.1:
                title = "/local"
            session, rendition = str(uuid.uuid4()), self.chance.choice(list(RENDITIONS))
            say = lambda **more: cmcd(sid=f'"{session}"', **more)  # noqa: E731
            await viewer.get(f"{title}/master.m3u8?{say(ot='m')}")
            await asyncio.sleep(0.05)
            await viewer.get(f"{title}/{rendition}/index.m3u8?{say(ot='m')}")
            await viewer.get(f"{title}/{rendition}/init.mp4?{say(ot='i', su=True)}")
            if self.chance.random() < 0.1:
                await asyncio.sleep(1 + self.chance.random() * 2)  # a line that is slow to start
            buffer = 0
            for number in range(1, 8):
                throughput = round(self.chance.lognormvariate(8.6, 0.5), -2)
                starved = {"bs": True} if number > 1 and self.chance.random() < 0.02 else {}
                told = say(ot="v", br=RENDITIONS[rendition], bl=buffer, mtp=int(throughput), d=4000, **starved)
                await viewer.get(f"{title}/{rendition}/seg-{number}.m4s?{told}")
                buffer = 0 if starved else min(buffer + 4000 + self.chance.randrange(-1500, 1500), 28000) // 100 * 100
                await asyncio.sleep(0.2 + self.chance.random() * 0.6)

    async def member(self) -> None:
        """A player with a token before its paths."""
        await self.player(f"{self.token}/members")

    async def reader(self) -> None:
        """Ranges of a segment through the CDN, and the validator it has been given."""
        async with self.connection() as viewer:
            for _ in range(10):
                path = f"/films/t{self.popular()}/v720/seg-{self.chance.randint(1, 8)}.m4s"
                start = self.chance.randrange(100_000)
                cdn = {"cloudfront-viewer-address": "198.51.100.7:41414", "x-amz-cf-id": uuid.uuid4().hex}
                headers = await viewer.get(path, {"range": f"bytes={start}-{start + 65535}"} | cdn)
                await viewer.get(path, {"if-none-match": headers.get("etag", '"none"')})
                await asyncio.sleep(0.3)

    async def lost(self) -> None:
        """What is not there, and where nothing leads."""
        async with self.connection() as viewer:
            for path in ("/films/t0/v720/seg-99.m4s", "/films/t1/poster.png", "/elsewhere/x.m3u8", "/films/t0/poster.jpg"):
                await viewer.get(path)
                await asyncio.sleep(0.5)

    async def refused(self) -> None:
        """No token, a token of somebody else's making, and a range that there is not."""
        async with self.connection() as viewer:
            forged = self.token[:-8] + "AAAAAAAA"
            for path in ("/members/t1/master.m3u8", f"{forged}/members/t1/master.m3u8"):
                await viewer.get(path)
                await asyncio.sleep(0.7)
            await viewer.get("/films/t1/v240/seg-1.m4s", {"range": "bytes=99999999-"})

    async def broken(self) -> None:
        """Bytes that are no HTTP, and a client that leaves in the middle of an answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.chance.choice(self.ports)[0])
        writer.write(b"\x16\x03 what\r\n\r\n")
        await reader.read()
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.chance.choice(self.ports)[0])
        writer.write(b"GET /local/film.mp4 HTTP/1.1\r\nhost: media.example\r\n\r\n")
        await reader.read(1000)
        writer.transport.abort()
        await asyncio.sleep(1)

    async def distrustful(self) -> None:
        """A client of TLS that does not believe our certificate, and one that asks for a name we have not."""
        for name in ("localhost", "stranger.example"):
            try:
                await asyncio.open_connection("127.0.0.1", self.chance.choice(self.ports)[1], ssl=True, server_hostname=name)
            except (ssl.SSLError, OSError):
                await asyncio.sleep(1)

    def popular(self) -> int:
        """A title: the first are asked for most."""
        return min(int(self.chance.paretovariate(0.9)) - 1, self.titles - 1)

    def connection(self, *, tls: bool = False):
        port = self.chance.choice(self.ports)[int(tls)]
        return Connection(port, ssl.create_default_context(cafile=str(self.trust)) if tls else None)


class Connection:
    """HTTP/1.1, one answer after another."""

    def __init__(self, port: int, tls: ssl.SSLContext | None):
        self.port, self.tls = port, tls

    async def __aenter__(self):
        name = {"ssl": self.tls, "server_hostname": "127.0.0.1"} if self.tls else {}
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20, **name)
        return self

    async def __aexit__(self, *_) -> None:
        self.writer.close()

    async def get(self, target: str, headers: dict[str, str] | None = None) -> dict[str, str]:
        """The answer's headers, after its body has been read."""
        lines = [f"GET {target} HTTP/1.1", "host: media.example", "user-agent: monitoring-check"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *fields = head.strip().split("\r\n")
        told = {name.lower(): value.strip() for name, value in (field.split(":", 1) for field in fields)}
        if status.split()[1] != "304":
            await self.reader.readexactly(int(told.get("content-length", 0)))
        return told


def cmcd(**told) -> str:
    """CTA-5004's query: keys in order, what is true without a value."""
    words = [key if value is True else f"{key}={value}" for key, value in sorted(told.items())]
    return f"CMCD={quote(','.join(words), safe='')}"

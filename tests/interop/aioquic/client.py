"""Does one thing over HTTP/3 with aioquic, and tells in one line of JSON what came of it: see TASKS.

    client.py '{"task": …, "port": …, "ca": …, "name": …, "paths": …}'
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamReset
from aioquic.tls import SessionTicket

# Python takes a second for a MiB or two, and longer on a machine that has other work.
PATIENCE = 40.0
TASK = json.loads(sys.argv[1])


class Answer:
    """What came on a stream."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.reset: int | None = None
        self.whole: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self) -> None:
        if not self.whole.done():
            self.whole.set_result(None)

    def told(self) -> dict[str, object]:
        return {
            "headers": self.headers,
            "length": len(self.body),
            "sha256": hashlib.sha256(self.body).hexdigest(),
            "reset": self.reset,
        }


class Client(QuicConnectionProtocol):
    """A connection that speaks HTTP/3."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.answers: dict[int, Answer] = {}
        self.ended: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated):
            if not self.ended.done():
                self.ended.set_result({"code": event.error_code, "reason": event.reason_phrase})
            for answer in self.answers.values():
                answer.end()
        if isinstance(event, StreamReset) and event.stream_id in self.answers:
            self.answers[event.stream_id].reset = event.error_code
            self.answers[event.stream_id].end()
        for http_event in self.http.handle_event(event):
            self.http_event_received(http_event)

    def http_event_received(self, event: H3Event) -> None:
        if not isinstance(event, HeadersReceived | DataReceived) or event.stream_id not in self.answers:
            return
        answer = self.answers[event.stream_id]
        if isinstance(event, HeadersReceived):
            answer.headers |= {name.decode(): value.decode() for name, value in event.headers}
        else:
            answer.body += event.data
        if event.stream_ended:
            answer.end()

    def ask(self, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
        """Sends a request; its answer comes."""
        stream = self._quic.get_next_available_stream_id()
        self.answers[stream] = answer = Answer()
        pseudo = {":method": method, ":scheme": "https", ":authority": TASK["name"], ":path": path}
        if method == "HEAD":
            # aioquic takes the length that HEAD tells for a body's, and misses it (RFC 9110 section 8.6 says otherwise).
            self.http._check_content_length = lambda stream: None
        fields = [(name.encode(), value.encode()) for name, value in (pseudo | (headers or {})).items()]
        self.http.send_headers(stream, fields, end_stream=True)
        self.transmit()
        return answer

    async def get(self, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> dict[str, object]:
        """A request and its answer, whole."""
        answer = self.ask(path, method, headers)
        await asyncio.wait_for(answer.whole, PATIENCE)
        return answer.told()


def configuration(**more: object) -> QuicConfiguration:
    made = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name=TASK["name"], **more)
    made.load_verify_locations(TASK["ca"])
    return made


@asynccontextmanager
async def connected(wait: bool = True, **more: object) -> AsyncIterator[Client]:
    tickets: list[SessionTicket] = []
    terms = configuration(**more)
    async with connect(
        "127.0.0.1",
        TASK["port"],
        configuration=terms,
        create_protocol=Client,
        session_ticket_handler=tickets.append,
        wait_connected=wait,
    ) as client:
        client.tickets = tickets
        yield client


async def ask() -> object:
    """Each of the requests, one after the other."""
    async with connected() as client:
        return [await client.get(one["path"], one.get("method", "GET"), one.get("headers")) for one in TASK["requests"]]


async def many() -> object:
    """All of the requests at once, on one connection, as many streams as there may be."""
    async with connected() as client:
        asked = [client.ask(one["path"]) for one in TASK["requests"]]
        await asyncio.wait_for(asyncio.gather(*(answer.whole for answer in asked)), PATIENCE)
        return [answer.told() for answer in asked]


async def move() -> object:
    """Goes to another port in the midst of an answer, again and again, with other connection ids and other keys."""
    ports, answers = set(), []
    loop = asyncio.get_running_loop()
    async with connected() as client:
        for one in TASK["requests"]:
            answer = client.ask(one["path"])
            while len(answer.body) < 100_000 and not answer.whole.done():
                await asyncio.sleep(0.001)
            old = client._transport
            ports.add(old.get_extra_info("sockname")[1])
            client.change_connection_id()
            await loop.create_datagram_endpoint(lambda: client, local_addr=("::ffff:127.0.0.1", 0))
            old.abort()
            client.request_key_update()
            await asyncio.wait_for(answer.whole, PATIENCE)
            answers.append(answer.told())
        ports.add(client._transport.get_extra_info("sockname")[1])
    return {"answers": answers, "ports": len(ports)}


async def resume() -> object:
    """Comes back with a ticket, and says its requests in its first flight."""
    async with connected() as client:
        first = await client.get(TASK["requests"][0]["path"])
        await client.ping()
        tickets = client.tickets
    told = {"first": first, "tickets": len(tickets)}
    if tickets:
        told["early_data"] = tickets[-1].max_early_data_size
        async with connected(wait=False, session_ticket=tickets[-1]) as client:
            early = [client.ask(one["path"], one.get("method", "GET")) for one in TASK["requests"]]
            for answer in early:
                await asyncio.wait_for(answer.whole, PATIENCE)
            told["answers"] = [answer.told() for answer in early]
            told["resumed"] = client._quic.tls.session_resumed
            told["early"] = client._quic.tls.early_data_accepted
    return told


async def misbehave(client: Client) -> None:
    """What a client must not do once it is connected (RFC 9000 sections 4 and 19)."""
    quic = client._quic
    match TASK["how"]:
        case "too many unidirectional streams":
            quic._remote_max_streams_uni = 1 << 20
            for _ in range(100):
                quic.send_stream_data(quic.get_next_available_stream_id(is_unidirectional=True), b"\x21x")
        case "too many requests":
            quic._remote_max_streams_bidi = 1 << 20
            for _ in range(1000):
                quic.send_stream_data(quic.get_next_available_stream_id(), b"\x01")
        case "a gap past the window":
            gap(client, 1 << 30)
        case "gaps that are never filled":
            for _ in range(TASK["count"]):
                gap(client, 60_000)
        case other:
            raise SystemExit(f"nothing is called {other}")
    client.transmit()


def gap(client: Client, at: int) -> None:
    """A request stream that begins with its last byte."""
    quic = client._quic
    stream = quic.get_next_available_stream_id()
    quic.send_stream_data(stream, b"x")
    sender = quic._streams[stream].sender
    sender._buffer_start, sender._buffer_stop = at, at + 1
    sender._pending.subtract(0, 1)
    sender._pending.add(at, at + 1)
    quic._streams[stream].max_stream_data_remote = 1 << 40
    quic._remote_max_data = 1 << 40


async def abuse() -> object:
    """One that misbehaves; and whether another is served after it."""
    path = TASK["requests"][0]["path"]
    async with connected() as client:
        await client.get(path)
        await misbehave(client)
        try:
            ended = await asyncio.wait_for(asyncio.shield(client.ended), TASK["wait"])
        except TimeoutError:
            ended = None
        own = await client.get(path) if ended is None else None
    async with connected() as other:
        return {"ended": ended, "own": own, "other": await other.get(path)}


TASKS = {task.__name__: task for task in (ask, many, move, resume, abuse)}

if __name__ == "__main__":
    print(json.dumps(asyncio.run(asyncio.wait_for(TASKS[TASK["task"]](), 2 * PATIENCE))))

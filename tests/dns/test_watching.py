"""The small API client against a server that pages, streams, breaks off and expires revisions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fairlead.base.log import SILENT
from fairlead.base.tasks import Nursery
from fairlead.dns.serving.watching import reflect
from fairlead.dns.zones.records import Service
from fairlead.runtime.http import HttpTransport


def tree(name: str, version: int, ip: str = "10.96.0.1") -> dict[str, Any]:
    meta = {"name": name, "namespace": "d", "resourceVersion": str(version), "managedFields": [{"manager": "x"}]}
    return {"metadata": meta, "spec": {"clusterIP": ip, "clusterIPs": [ip]}}


class Server:
    """Lists `items`; a watch gets the objects passed to `send`."""

    def __init__(self) -> None:
        self.items = [tree(f"s{n}", n + 1) for n in range(1203)]
        self.version = 1203
        self.asked: list[str] = []
        self.watches: list[asyncio.StreamWriter] = []
        self.gone = False
        self.broken = False

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        except asyncio.IncompleteReadError:  # the test has ended
            writer.close()
            return
        self.asked.append(path)
        if self.broken:
            writer.close()
        elif "watch=" in path and self.gone:
            self.gone = False
            writer.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 2\r\n\r\n{}")
            writer.close()
        elif "watch=" in path:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            self.watches.append(writer)
        else:
            start = int(path.partition("continue=")[2] or 0)
            more = str(start + 500) if start + 500 < len(self.items) else ""
            meta = {"resourceVersion": str(self.version), "continue": more}
            body = json.dumps({"metadata": meta, "items": self.items[start : start + 500]}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            writer.close()

    def send(self, kind: str, obj: dict[str, Any], *, piece: int = 7) -> None:
        """Sends in small chunks, so that the client must join the lines."""
        line = json.dumps({"type": kind, "object": obj}).encode() + b"\n"
        for at in range(0, len(line), piece):
            part = line[at : at + piece]
            self.watches[-1].write(b"%x\r\n%s\r\n" % (len(part), part))


@asynccontextmanager
async def following() -> AsyncIterator[tuple[Server, dict[str, str]]]:
    made, known = Server(), dict[str, str]()
    listener = await asyncio.start_server(made.handle, "127.0.0.1", 0)

    def on_object(key: str, found: Service | None) -> None:
        if found is None:
            known.pop(key, None)
        else:
            known[key] = found.spec.clusterIP

    transport = HttpTransport(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", ssl_context=None)
    follower = reflect(transport, "/api/v1/services", Service, on_object=on_object, flush=lambda: None, log=SILENT)
    async with Nursery() as nursery:
        nursery.spawn(follower.run())
        async with asyncio.timeout(30):
            await follower.synced.wait()
            await until(lambda: bool(made.watches))
        try:
            yield made, known
        finally:
            for writer in made.watches:
                writer.close()
            listener.close()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not what():  # noqa: ASYNC110 -- what is waited for is in another's hands
            await asyncio.sleep(0.002)


def test_pages_are_put_together_and_changes_followed() -> None:
    async def work() -> None:
        async with following() as (server, known):
            assert len(known) == 1203
            assert len([path for path in server.asked if "limit=500" in path]) == 3
            server.send("ADDED", tree("new", 1300, "10.96.0.2"))
            server.send("MODIFIED", tree("s1", 1301, "10.96.0.3"))
            server.send("DELETED", tree("s2", 1302))
            server.send("BOOKMARK", {"metadata": {"resourceVersion": "1400"}})
            await until(lambda: "d/s2" not in known)
            assert (known["d/new"], known["d/s1"], len(known)) == ("10.96.0.2", "10.96.0.3", 1203)

    asyncio.run(work())


@pytest.mark.slow
def test_a_broken_watch_continues_without_a_gap() -> None:
    async def work() -> None:
        async with following() as (server, known):
            server.send("BOOKMARK", {"metadata": {"resourceVersion": "1400"}})
            await asyncio.sleep(0.02)
            server.broken = True
            server.watches[-1].close()
            await until(lambda: len(server.asked) >= 6)
            assert len(known) == 1203
            server.broken = False
            await until(lambda: len(server.watches) == 2)
            assert "resourceVersion=1400" in server.asked[-1]

    asyncio.run(work())


def test_after_410_it_lists_again_and_drops_deleted_objects() -> None:
    async def work() -> None:
        async with following() as (server, known):
            server.items, server.version, server.gone = server.items[:2], 2000, True
            server.watches[-1].close()
            await until(lambda: len(known) == 2)
            await until(lambda: len(server.watches) == 2)
            assert "resourceVersion=2000" in server.asked[-1]

    asyncio.run(work())


def test_an_error_event_with_410_starts_a_new_list() -> None:
    async def work() -> None:
        async with following() as (server, known):
            server.items, server.version = server.items[:3], 2000
            server.send("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})
            await until(lambda: len(known) == 3)

    asyncio.run(work())

"""The relay on a loopback port: it passes bytes on and refuses foreign hosts and origins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fairlead.base.tasks import stop
from fairlead.webui.relay import Relay, Target, check_head, owner


def head(*lines: str) -> bytes:
    return "\r\n".join(("GET /ui/ HTTP/1.1", *lines, "", "")).encode()


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Host: 127.0.0.1:81"], ""),
        (["host: 127.0.0.1:81", "Origin: http://127.0.0.1:81"], ""),
        (["Host: evil.test:81"], "421"),
        (["Host: localhost:81"], "421"),
        (["Host: 127.0.0.1:82"], "421"),
        (["Host: 127.0.0.1:81", "Host: evil.test"], "421"),
        ([], "421"),
        (["Host: 127.0.0.1:81", "Origin: http://evil.test"], "403"),
        (["Host: 127.0.0.1:81", "Origin: http://127.0.0.1:82"], "403"),
        (["Host: 127.0.0.1:81", "Origin: null"], "403"),
    ],
)
def test_only_its_own_pages_may_use_the_port(lines: list[str], status: str) -> None:
    refusal = check_head(head(*lines), 81)
    assert (refusal.status.split()[0] if refusal else "") == status


SOCKETS = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 0 20 4 30 10 -1
   2: 0000000000000000FFFF00000100007F:D433 0000000000000000FFFF00000100007F:1F90 01 0:0 00:0 0  1001        0 4 1 0
   3: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1
"""


def test_the_owner_of_a_clients_socket_is_found() -> None:
    assert owner(SOCKETS, port=0x1F90, peer=0xD431) == 1000
    assert owner(SOCKETS, port=0x1F90, peer=0xD433) == 1001  # by way of ::ffff:127.0.0.1
    assert owner(SOCKETS, port=0x1F90, peer=0xD432) is None


@asynccontextmanager
async def relayed(port: int = 0, users: frozenset[int] | None = None) -> AsyncIterator[tuple[Relay, list[bytes]]]:
    """Runs a relay in front of a server that notes what arrives and answers in capitals."""
    arrived: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                arrived.append(data)
                writer.write(data.upper())
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    target = Target("127.0.0.1", port or server.sockets[0].getsockname()[1], None, "")
    relay = Relay(target, users=users)
    task = asyncio.ensure_future(relay.run())
    try:
        yield relay, arrived
    finally:
        await stop(task)
        server.close()
        await server.wait_closed()


async def exchange(relay: Relay, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(1 << 16), 30)
    finally:
        writer.close()
        await writer.wait_closed()


def test_bytes_pass_in_both_directions_unchanged_and_without_credentials() -> None:
    async def main() -> None:
        async with relayed() as (relay, arrived):
            sent = head(f"Host: 127.0.0.1:{relay.port}")
            assert await exchange(relay, sent) == sent.upper()
            assert b"".join(arrived) == sent

    asyncio.run(main())


def test_a_refused_request_does_not_reach_the_server() -> None:
    async def main() -> None:
        async with relayed() as (relay, arrived):
            assert (await exchange(relay, head("Host: evil.test"))).startswith(b"HTTP/1.1 421 ")
            assert (await exchange(relay, head("X: " + "x" * 70_000))).startswith(b"HTTP/1.1 431 ")
            assert not arrived

    asyncio.run(main())


def test_a_missing_server_is_a_page_that_says_so() -> None:
    async def main() -> None:
        closed = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
        port = closed.sockets[0].getsockname()[1]
        closed.close()
        await closed.wait_closed()
        async with relayed(port) as (relay, _):
            answer = await exchange(relay, head(f"Host: 127.0.0.1:{relay.port}"))
            assert answer.startswith(b"HTTP/1.1 502 ")

    asyncio.run(main())


async def ask_as(uid: int, url: str) -> str:
    command = ["setpriv", f"--reuid={uid}", "--clear-groups", "curl", "-s", "-m", "10", url]
    asking = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await asking.communicate()
    return said.decode()


@pytest.mark.root
@pytest.mark.slow
def test_other_users_of_the_machine_are_refused() -> None:
    async def main() -> None:
        async with relayed(users=frozenset({0, 64111})) as (relay, arrived):
            url = f"{relay.origin}/ui/"
            assert (await ask_as(64112, url)).startswith("this port serves only the user")
            assert not arrived
            await asyncio.gather(exchange(relay, head(f"Host: 127.0.0.1:{relay.port}")), return_exceptions=True)
            assert arrived

    asyncio.run(main())

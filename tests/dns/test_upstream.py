"""Upstreams whose sockets are all open: the first attempt then runs without a task, and must fail over all the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fairlead.dns.config import Config
from tests.dns.servers import Ours, Reply, Upstream, cut_over_udp, ours, over_udp, says, upstream
from tests.dns.test_server import plain
from tests.dns.world import show

A, B = "192.0.2.1", "192.0.2.2"


@asynccontextmanager
async def warm() -> AsyncIterator[tuple[Ours, Upstream, Upstream]]:
    """Yields two upstreams; the first has answered until now."""
    async with (
        upstream(says(A)) as first,
        upstream(says(B)) as second,
        ours(Config(upstreams=(first.name, second.name))) as server,
    ):
        for n in range(8):
            assert await said(server, f"warm{n}.example") == ["NOERROR", f"A {A}"]
        assert kept(server) >= 4
        yield server, first, second


async def said(server: Ours, name: str) -> list[str]:
    return show((await over_udp(server.port, plain(1, name)))[0])


def kept(server: Ours) -> int:
    return sum(count for (_, _, was_kept), count in server.metrics.forward_sockets.items() if was_kept)


def forged(data: bytes, _: bool) -> bytes:
    return says("192.0.2.66")(bytes((data[0] ^ 1,)) + data[1:], False) or b""


@pytest.mark.slow
@pytest.mark.parametrize(
    "reply", [None, forged, says(A, rcode=2), says(A, rcode=5)], ids=["silent", "forging", "failing", "refusing"]
)
def test_the_next_upstream_is_asked_if_the_first_stops_answering(reply: Reply | None) -> None:
    async def work() -> None:
        async with warm() as (server, first, _):
            first.reply = reply
            for n in range(4):
                assert await said(server, f"n{n}.example") == ["NOERROR", f"A {B}"]

    asyncio.run(work())


@pytest.mark.slow
def test_a_silent_one_is_left_out_after_two_and_has_its_chance_later() -> None:
    async def work() -> None:
        async with warm() as (server, first, _):
            first.reply = None
            first.heard.clear()
            for n in range(6):
                await said(server, f"n{n}.example")
            assert len(first.heard) == 2
            first.reply = says(A)
            end = time.monotonic() + 60
            while await said(server, f"again{time.monotonic_ns()}.example") != ["NOERROR", f"A {A}"]:
                assert time.monotonic() < end
                await asyncio.sleep(0.05)

    asyncio.run(work())


def test_an_answer_that_was_cut_is_fetched_over_tcp_and_asked_over_udp_but_once() -> None:
    async def work() -> None:
        async with warm() as (server, first, second):
            first.reply = cut_over_udp(says("192.0.2.7"))
            first.heard.clear()
            assert await said(server, "long.example") == ["NOERROR", "A 192.0.2.7"]
            assert len(first.heard) == 1
            assert not second.heard

    asyncio.run(work())


def test_a_query_that_all_upstreams_refuse_is_sent_to_each_once() -> None:
    async def work() -> None:
        async with warm() as (server, first, second):
            first.reply = second.reply = says(A, rcode=2)
            first.heard.clear()
            assert await said(server, "bad.example") == ["SERVFAIL"]
            assert (len(first.heard), len(second.heard)) == (1, 1)

    asyncio.run(work())


def test_many_clients_share_one_query_and_all_get_the_answer() -> None:
    async def work() -> None:
        async with warm() as (server, first, _):
            first.heard.clear()
            found = await over_udp(server.port, *(plain(n, "same.example") for n in range(60)))
            assert {tuple(show(one)) for one in found} == {("NOERROR", f"A {A}")}
            assert len(first.heard) == 1

    asyncio.run(work())


@pytest.mark.slow
def test_sockets_are_replaced_after_some_hundred_questions() -> None:
    async def work() -> None:
        async with warm() as (server, first, _):
            for start in range(0, 3000, 100):
                await over_udp(server.port, *(plain(n, f"n{start + n}.example") for n in range(100)))
            opened = sum(count for (_, _, was_kept), count in server.metrics.forward_sockets.items() if not was_kept)
            assert 6 <= opened <= 12
            assert len(first.heard) == 3008

    asyncio.run(work())

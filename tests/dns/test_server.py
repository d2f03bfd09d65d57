"""Real sockets on the loopback: the fast path answers like the slow path, TCP is pipelined, upstreams fail over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from fairlead.base.metrics import render
from fairlead.dns.config import Config, parse_config
from fairlead.dns.protocol.wire import HEADER, encode_name, make_query
from fairlead.dns.serving.server import MOST_CONNECTIONS
from tests.dns.servers import cut_over_udp, missing, ours, over_tcp, over_udp, says, upstream
from tests.dns.test_answers import TABLE, cluster
from tests.dns.world import question, show

WEB = "web.default.svc.cluster.local"


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def plain(ident: int, name: str, kind: str = "A") -> bytes:
    return HEADER.pack(ident, 0x0100, 1, 0, 0, 0) + question(name, kind)


def edns(ident: int, name: str, kind: str = "A") -> bytes:
    return make_query(ident, question(name, kind))


def test_every_name_is_answered_alike_over_udp_and_tcp_packed_or_not() -> None:
    async def work() -> None:
        world = cluster()
        asked = [
            (n, f"{name}.cluster.local" if name else "cluster.local", kind) for n, (name, kind, *_) in enumerate(TABLE)
        ]
        async with ours(Config(upstreams=()), world) as server:
            for make in (plain, edns):
                queries = [make(*one) for one in asked]
                first = await over_udp(server.port, *queries)
                second = await over_udp(server.port, *queries)
                whole = await over_tcp(server.port, *queries)
                for row, *said in zip(TABLE, first, second, whole, strict=True):
                    for one in said:
                        assert sorted(show(one)) == sorted(row[2:]), row
                    assert len(set(map(len, said))) == 1, row
        assert server.metrics.panics == 0

    run(work())


def test_tcp_takes_queries_in_any_pieces() -> None:
    async def work() -> None:
        async with ours(Config(upstreams=()), cluster()) as server:
            queries = [plain(n, WEB) for n in range(200)]
            found = await over_tcp(server.port, *queries, pieces=[1, 2, 3, 50, 51, 52, 53, 4000])
            assert [one[:2] for one in found] == [n.to_bytes(2, "big") for n in range(200)]

    run(work())


def test_what_is_no_query_ends_its_tcp_connection_and_no_other() -> None:
    async def work() -> None:
        async with ours(Config(upstreams=()), cluster()) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"\0\3abc")
            assert await reader.read() == b""
            writer.close()
            assert len(await over_tcp(server.port, plain(1, WEB))) == 1

    run(work())


async def _ask_again_and_again(port: int, name: str) -> None:
    async with asyncio.timeout(30):
        for _ in range(5):
            assert len(await over_tcp(port, plain(1, name))) == 1


def test_more_idle_tcp_connections_than_are_kept_do_not_keep_a_client_out() -> None:
    async def work() -> None:
        async with ours(Config(upstreams=()), cluster()) as server, AsyncExitStack() as opened:
            idle = [
                await asyncio.open_connection("127.0.0.1", server.port) for _ in range(MOST_CONNECTIONS + 8)
            ]  # fmt: skip
            for _, writer in idle:
                opened.callback(writer.close)
            await _ask_again_and_again(server.port, WEB)
            with contextlib.suppress(ConnectionResetError):
                assert await idle[0][0].read() == b""

    run(work())


def test_a_tcp_connection_in_use_outlives_idle_ones() -> None:
    async def work() -> None:
        async with ours(Config(upstreams=()), cluster()) as server, AsyncExitStack() as opened:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            opened.callback(writer.close)
            query = plain(1, WEB)
            for _ in range(4):
                for _ in range(MOST_CONNECTIONS // 2):
                    _, other = await asyncio.open_connection("127.0.0.1", server.port)
                    opened.callback(other.close)
                    other.write(b"\1")  # a part of a question does not count as use
                writer.write(len(query).to_bytes(2, "big") + query)
                size = int.from_bytes(await reader.readexactly(2), "big")
                assert (await reader.readexactly(size))[:2] == query[:2]

    run(work())


def test_without_descriptors_a_tcp_client_waits_and_the_log_stays_empty(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with ours(Config(upstreams=()), cluster()) as server:
            loop, query = asyncio.get_running_loop(), plain(1, WEB)
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            with socket.socket() as one, socket.socket() as other:
                for client in (one, other):
                    client.connect(("127.0.0.1", server.port))
                    client.setblocking(False)
                    client.send(len(query).to_bytes(2, "big") + query)
                lowest = os.dup(0)
                os.close(lowest)
                resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
                try:
                    busy = time.thread_time()
                    await asyncio.sleep(0.2)  # several attempts to accept, which must all fail
                    assert time.thread_time() - busy < 0.1, "it tries without a pause"
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                async with asyncio.timeout(30):
                    for client in (one, other):
                        assert await loop.sock_recv(client, 100)

    run(work())
    assert caplog.records == []


def test_other_names_are_asked_once_and_kept() -> None:
    async def work() -> None:
        async with upstream(says("192.0.2.9")) as up, ours(Config(upstreams=(up.name,))) as server:
            found = await over_udp(server.port, *(plain(n, "a.example") for n in range(50)))
            assert {tuple(show(one)) for one in found} == {("NOERROR", "A 192.0.2.9")}
            again = await over_udp(server.port, plain(1, "a.example"), edns(2, "A.Example"))
            assert [show(one) for one in again] == [["NOERROR", "A 192.0.2.9"]] * 2
            assert len(up.heard) == 1

    run(work())


def test_a_name_that_does_not_exist_is_kept_too() -> None:
    async def work() -> None:
        async with upstream(missing()) as up, ours(Config(upstreams=(up.name,))) as server:
            for _ in range(3):
                assert show((await over_udp(server.port, plain(1, "no.example")))[0]) == ["NXDOMAIN"]
            assert len(up.heard) == 1

    run(work())


@pytest.mark.slow
def test_the_next_upstream_is_asked_where_one_is_silent_and_the_silent_one_is_left_out() -> None:
    async def work() -> None:
        async with (
            upstream(None) as dead,
            upstream(says("192.0.2.1")) as good,
            ours(Config(upstreams=(dead.name, good.name))) as server,
        ):
            for n in range(6):
                assert show((await over_udp(server.port, plain(1, f"n{n}.example")))[0])[0] == "NOERROR"
            assert len(dead.heard) == 2
            assert len(good.heard) == 6

    run(work())


@pytest.mark.parametrize("code", [2, 5])
def test_the_next_upstream_is_asked_if_one_fails_or_refuses(code: int) -> None:
    async def work() -> None:
        async with (
            upstream(says("0.0.0.0", rcode=code)) as bad,
            upstream(says("192.0.2.1")) as good,
            ours(Config(upstreams=(bad.name, good.name))) as server,
        ):
            assert show((await over_udp(server.port, plain(1, "a.example")))[0]) == ["NOERROR", "A 192.0.2.1"]

    run(work())


@pytest.mark.slow
def test_cluster_names_go_on_while_no_upstream_answers() -> None:
    async def work() -> None:
        async with upstream(None) as dead, ours(Config(upstreams=(dead.name,)), cluster()) as server:
            lost = asyncio.ensure_future(over_udp(server.port, plain(1, "a.example")))
            for n in range(20):
                assert show((await over_udp(server.port, plain(n, WEB)))[0]) == ["NOERROR", "A 10.96.0.7"]
            assert show((await lost)[0]) == ["SERVFAIL"]

    run(work())


def test_an_answer_that_was_cut_is_fetched_over_tcp() -> None:
    async def work() -> None:
        async with upstream(cut_over_udp(says("192.0.2.5"))) as up, ours(Config(upstreams=(up.name,))) as server:
            assert show((await over_udp(server.port, plain(1, "a.example")))[0]) == ["NOERROR", "A 192.0.2.5"]

    run(work())


def test_stub_zones_have_upstreams_of_their_own() -> None:
    async def work() -> None:
        async with upstream(says("192.0.2.1")) as general, upstream(says("192.0.2.2")) as corp:
            data = {"upstreams": general.name, "stub.corp.example": corp.name, "stub.shut.corp.example": "none"}
            async with ours(parse_config(data)) as server:
                asked = ["www.corp.example", "corp.example", "notcorp.example", "a.shut.corp.example"]
                found = [show((await over_udp(server.port, plain(1, name)))[0]) for name in asked]
                assert found == [
                    ["NOERROR", "A 192.0.2.2"],
                    ["NOERROR", "A 192.0.2.2"],
                    ["NOERROR", "A 192.0.2.1"],
                    ["REFUSED"],
                ]

    run(work())


def test_an_alias_is_followed_outside() -> None:
    async def work() -> None:
        async with upstream(says("192.0.2.6")) as up, ours(Config(upstreams=(up.name,)), cluster()) as server:
            name = "outside.default.svc.cluster.local"
            wanted = ["NOERROR", "CNAME api.example.org.", "A 192.0.2.6"]
            assert show((await over_udp(server.port, plain(1, name)))[0]) == wanted
            assert show((await over_tcp(server.port, plain(1, name)))[0]) == wanted
            assert show((await over_udp(server.port, plain(1, name, "AAAA")))[0]) == wanted[:2]

    run(work())


def test_forged_answers_are_not_taken() -> None:
    """Sends answers with another id or another question, which are ignored, and then the right one."""

    def forging(data: bytes, _: bool) -> bytes:
        return says("192.0.2.66")(bytes((data[0] ^ 1,)) + data[1:], False) or b""

    async def work() -> None:
        async with (
            upstream(forging) as liar,
            upstream(says("192.0.2.1")) as good,
            ours(Config(upstreams=(liar.name, good.name))) as server,
        ):
            assert show((await over_udp(server.port, plain(1, "a.example")))[0]) == ["NOERROR", "A 192.0.2.1"]

    run(work())


def test_metrics_have_coredns_names_and_count_fast_answers() -> None:
    async def work() -> None:
        async with ours(Config(upstreams=()), cluster()) as server:
            await over_udp(server.port, *(plain(n, WEB) for n in range(30)))
            await over_udp(server.port, plain(1, "nobody.default.svc.cluster.local"))
            text = render(server.metrics.families("1"))
        place = 'server="dns://:53",zone="cluster.local.",view=""'
        assert f'coredns_dns_requests_total{{{place},proto="udp",family="1",type="A"}} 31' in text
        assert f'coredns_dns_responses_total{{{place},rcode="NOERROR",plugin="kubernetes"}} 30' in text
        assert f'coredns_dns_responses_total{{{place},rcode="NXDOMAIN",plugin="kubernetes"}} 1' in text
        assert f"coredns_dns_request_duration_seconds_count{{{place}}} 31" in text
        assert encode_name("a") == b"\x01a\0"

    run(work())

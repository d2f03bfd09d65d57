"""Queries to outside: the sandbox chooses among the upstreams of the supervisor's start, and can reach no others."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fairlead.dns.config import Config
from fairlead.dns.program.host import HostResolvers
from fairlead.dns.program.outside import HostDialer
from fairlead.dns.program.resolvconf import read_searches, read_servers
from fairlead.net.hostsockets.messages import Connect, Listen, ListServers, Packet, Refused, pack, unpack
from tests.dns.servers import cut_over_udp, ours, over_udp, says, upstream
from tests.dns.test_server import plain
from tests.dns.world import show


@asynccontextmanager
async def dialer(supervisor: HostResolvers) -> AsyncIterator[HostDialer]:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    there.setblocking(False)
    loop = asyncio.get_running_loop()
    loop.add_reader(there.fileno(), lambda: supervisor.handle_request(there))
    try:
        yield HostDialer(here, rng=random.Random(1))
    finally:
        loop.remove_reader(there.fileno())
        loop.remove_reader(here.fileno())
        here.close()
        there.close()


def test_questions_go_through_passed_sockets_over_udp_and_tcp() -> None:
    async def work() -> None:
        async with upstream(cut_over_udp(says("192.0.2.4"))) as up, dialer(HostResolvers((up.name,))) as way:
            assert await way.servers() == (up.name,)
            async with ours(Config(upstreams=(up.name,)), dialer=way) as server:
                assert show((await over_udp(server.port, plain(1, "a.example")))[0]) == ["NOERROR", "A 192.0.2.4"]

    asyncio.run(work())


def test_no_other_address_can_be_named() -> None:
    async def work() -> None:
        async with dialer(HostResolvers(("127.0.0.1:5399",))) as way:
            with pytest.raises(ConnectionRefusedError, match="not one of the upstreams"):
                await way.udp("127.0.0.1:5398")

    asyncio.run(work())


def test_a_sandbox_that_reads_no_answer_does_not_stop_the_supervisor() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    supervisor = HostResolvers(())
    with here, there:
        for _ in range(10_000):
            here.send(pack(1, ListServers()), socket.MSG_DONTWAIT)
            assert supervisor.handle_request(there)


def test_sockets_on_the_host_itself_are_refused() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    supervisor = HostResolvers(("127.0.0.1:5399",))
    with here, there:
        for request in (Listen(0, "TCP"), Connect(5399, "UDP")):
            here.send(pack(1, request))
            assert supervisor.handle_request(there)
            reply = unpack(here.recv(4096))
            assert reply == Packet(1, Refused(f"{type(request).__name__} is not permitted here"))


def test_resolv_conf_is_read_as_the_c_library_does(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# comment\nsearch old.example\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver nonsense\n"
        "nameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch corp.example lab.example .\noptions edns0\n"
    )
    assert read_servers(str(path)) == ["127.0.0.53:53", "[fe80::1]:53", "192.0.2.1:53"]
    assert read_searches(str(path)) == ["corp.example", "lab.example"]
    assert read_servers(str(tmp_path / "none")) == []
    assert HostResolvers(("192.0.2.9:53", "host"), resolv_conf=str(path)).servers()[:2] == [
        "192.0.2.9:53",
        "127.0.0.53:53",
    ]

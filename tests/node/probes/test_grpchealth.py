"""gRPC probes against a real gRPC server, and against servers of other protocols."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.node.probes.grpc import check
from fairlead.node.probes.health_message import MessageError, parse_status, render_request
from fairlead.node.probes.result import SUCCESS, ProbeResult, ProbeStatus
from tests.node.health import health_server
from tests.node.selfsigned import write_self_signed


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with health_server() as found:
        yield found


def ask(
    port: int, service: str = "", *, host: str = "127.0.0.1", timeout_s: float = 30, tls: bool = False
) -> ProbeResult:
    return asyncio.run(check(host, port, service, timeout_s=timeout_s, tls=tls))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("service", ["", "up"])
def test_a_service_that_serves_is_healthy(port: int, host: str, service: str) -> None:
    assert ask(port, service, host=host) == SUCCESS


@pytest.mark.parametrize(
    ("service", "text"),
    [
        ("down", 'service unhealthy (responded with "NOT_SERVING")'),
        ("absent", "error: health rpc probe failed: rpc error: code = NotFound desc = "),
        (
            "refused",
            "error: health rpc probe failed: rpc error: code = PermissionDenied desc = nicht für dich",
        ),
    ],
)
def test_every_other_answer_is_a_failure_with_its_reason(port: int, service: str, text: str) -> None:
    result = ask(port, service)
    assert (result.status, result.text) == (ProbeStatus.FAILURE, text)


@pytest.mark.slow
def test_a_service_that_does_not_answer_in_time_is_a_failure(port: int) -> None:
    assert ask(port, "slow", timeout_s=1).text == "timeout: health rpc did not complete within 1s"


def test_a_server_without_the_health_service_is_named_so() -> None:
    with health_server("other") as port:
        text = ask(port).text
    assert text.startswith("error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ")


@pytest.mark.slow
def test_tls_is_spoken_without_a_check_of_the_certificate(tmp_path: Path) -> None:
    write_self_signed(tmp_path)
    with health_server(str(tmp_path)) as port:
        assert ask(port, tls=True) == SUCCESS
        assert ask(port, timeout_s=0.5).text.startswith("timeout: failed to connect service")


@pytest.mark.slow
def test_a_closed_port_is_tried_until_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert ask(port, timeout_s=1).text == (
        f'timeout: failed to connect service "127.0.0.1:{port}" within 1s: context deadline exceeded: '
        f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    )


@pytest.mark.slow
def test_a_server_that_starts_within_the_time_is_waited_for() -> None:
    async def work(reserved: socket.socket) -> ProbeResult:
        port = reserved.getsockname()[1]
        asked = asyncio.ensure_future(check("127.0.0.1", port, "", timeout_s=20))
        connection, _ = await asyncio.get_running_loop().sock_accept(reserved)
        connection.close()
        reserved.close()
        server = health_server(port=port)
        await asyncio.to_thread(server.__enter__)
        try:
            return await asked
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)

    with socket.create_server(("127.0.0.1", 0)) as reserved:
        reserved.setblocking(False)
        assert asyncio.run(work(reserved)) == SUCCESS


@pytest.mark.slow
def test_a_server_of_http_1_is_not_connected_to() -> None:
    async def work() -> ProbeResult:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            return await check("127.0.0.1", server.sockets[0].getsockname()[1], "", timeout_s=1)

    text = asyncio.run(work()).text
    assert text.startswith("timeout: failed to connect service")
    assert text.endswith(": the server speaks HTTP/1")


def test_messages_are_framed_and_a_long_name_keeps_its_length() -> None:
    assert render_request("") == bytes(5)
    assert render_request("a") == b"\0\0\0\0\3\x0a\1a"
    assert render_request("x" * 300)[5:8] == b"\x0a\xac\x02"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\0\0\0\0\0", "UNKNOWN"),
        (b"\0\0\0\0\2\x08\1", "SERVING"),
        (b"\0\0\0\0\2\x08\3", "SERVICE_UNKNOWN"),
        (b"\0\0\0\0\2\x08\7", "7"),
        (b"\0\0\0\0\7\x12\3abc\x08\1", "SERVING"),
    ],
)
def test_a_response_is_read_with_fields_that_are_unknown(data: bytes, status: str) -> None:
    assert parse_status(data) == status


@pytest.mark.parametrize(
    "data", [b"", b"\0\0\0\0\1", b"\1\0\0\0\2\x08\1", b"\0\0\0\0\1\x08", b"\0\0\0\0\2\x12\7", b"\0\0\0\0\1\x0f"]
)
def test_a_broken_response_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        parse_status(data)

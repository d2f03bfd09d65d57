"""Requests of HTTP probes and hooks, and the results of answers, against test servers on loopback."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.containers.probe import HTTPGetAction, LifecycleHandler, Probe
from fairlead.node.probes.httpget import MAX_BODY
from fairlead.node.probes.prober import probe_once, run_hook
from fairlead.node.probes.result import SUCCESS, ProbeResult, ProbeStatus
from tests.node.selfsigned import write_self_signed

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
Answer = Callable[[str, asyncio.StreamWriter], Awaitable[bytes] | bytes]


@dataclass
class Server:
    """Answers each request by a function of its target; keeps the heads that came."""

    answer: Answer
    heads: list[str] = field(default_factory=list)
    port: int = 0
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks |= {task for task in [asyncio.current_task()] if task}
        try:
            first = await reader.readexactly(1)
            if first == b"\x16":  # a TLS handshake, which servers of HTTP answer so
                writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
                return
            head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            found = self.answer(head.split(" ", 2)[1], writer)
            writer.write(found if isinstance(found, bytes) else await found)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @property
    def targets(self) -> list[str]:
        return [head.split(" ", 2)[1] for head in self.heads]


@asynccontextmanager
async def server(
    answer: Answer | bytes = OK, *, host: str = "127.0.0.1", tls: Path | None = None
) -> AsyncIterator[Server]:
    made = Server(answer if callable(answer) else lambda *_: answer)
    context = None
    if tls is not None:
        write_self_signed(tls)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "tls.crt", tls / "tls.key")
    async with await asyncio.start_server(made.serve, host, 0, ssl=context) as listening:
        made.port = listening.sockets[0].getsockname()[1]
        try:
            yield made
        finally:
            # Since Python 3.12 a server waits for its connections.
            for task in made.tasks:
                task.cancel()


def action(port: int | str, **fields: Any) -> HTTPGetAction:
    return msgspec.convert({"port": port} | fields, HTTPGetAction)


async def no_command(*_: object) -> tuple[int, bytes]:
    raise AssertionError("no command is to be run")


async def probe(get: HTTPGetAction, *, ip: str = "127.0.0.1", timeout_s: int = 30, **container: Any) -> ProbeResult:
    tree = {"name": "c", "image": "x"} | container
    return await probe_once(
        Probe(httpGet=get, timeoutSeconds=timeout_s), msgspec.convert(tree, Container), ip, no_command
    )


async def hook(get: HTTPGetAction) -> ProbeResult:
    return await run_hook(LifecycleHandler(httpGet=get), Container(name="c", image="x"), "127.0.0.1", no_command, 5)


def asked(**fields: Any) -> tuple[str, str]:
    """The head that a probe sends, with port 80 in it, and its target."""

    async def work() -> tuple[str, str]:
        async with server() as there:
            assert await probe(action(there.port, **fields)) == SUCCESS
            return there.heads[0].replace(str(there.port), "80"), there.targets[0]

    return asyncio.run(work())


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("", "/"),
        ("/", "/"),
        ("index.html", "/index.html"),
        ("healthz?full=1&a=b", "/healthz?full=1&a=b"),
        ("/x?a=%2F&b=c?d", "/x?a=%2F&b=c?d"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a b", "/a%20b"),
        ("/a/../b//c", "/a/../b//c"),
        ("/ä", "/%C3%A4"),
        ("/a#b", "/a"),
        ("/%zz?x", "/%25zz%3Fx"),
        ("//elsewhere.example/x", "/x"),
        ("?q", "/?q"),
        ("/x?a b", "/x?a%20b"),
    ],
)
def test_a_path_is_asked_for_as_the_kubelet_asks_for_it(path: str, target: str) -> None:
    assert asked(path=path)[1] == target


def test_a_probe_has_a_user_agent_and_closes_the_connection() -> None:
    head, _ = asked(path="/x")
    assert head.split("\r\n") == [
        "GET /x HTTP/1.1",
        "Host: 127.0.0.1:80",
        "User-Agent: kube-probe/1.36",
        "Accept: */*",
        "Connection: close",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("name", "value", "line", "others"),
    [
        ("host", "shop.example", "Host: shop.example", "host:"),
        ("HOST", "shop.example", "Host: shop.example", "host:"),
        ("user-agent", "mine", "User-Agent: mine", "user-agent:"),
        ("ACCEPT", "text/html", "Accept: text/html", "accept:"),
        ("X-Thing", "ä b", "X-Thing: ä b", "x-thing:"),
    ],
)
def test_a_header_replaces_its_default_however_it_is_written(name: str, value: str, line: str, others: str) -> None:
    head, _ = asked(httpHeaders=[{"name": name, "value": value}])
    assert [x for x in head.split("\r\n") if x.lower().startswith(others)] == [line]


def test_headers_of_one_name_are_all_sent_and_an_empty_default_is_left_out() -> None:
    many = [{"name": "X-A", "value": "1"}, {"name": "x-a", "value": "2"}]
    head, _ = asked(httpHeaders=[*many, {"name": "accept", "value": ""}, {"name": "content-length", "value": "7"}])
    assert "X-A: 1\r\nX-A: 2\r\n" in head
    assert "accept" not in head.lower()
    assert "content-length" not in head.lower()


def redirect(to: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Found\r\nLocation: {to}\r\nContent-Length: 4\r\n\r\nmove".encode()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["/bad", "bad", "http://127.0.0.1:PORT/bad"])
def test_a_redirect_to_the_same_host_is_followed_and_its_answer_counts(status: int, to: str) -> None:
    async def work() -> tuple[ProbeResult, list[str]]:
        def answer(target: str, _: object) -> bytes:
            wrong = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
            return wrong if target == "/bad" else redirect(to.replace("PORT", str(there.port)), status)

        async with server(answer) as there:
            return await probe(action(there.port, path="/go")), there.targets

    result, targets = asyncio.run(work())
    assert targets == ["/go", "/bad"]
    assert (result.status, result.text) == (ProbeStatus.FAILURE, "HTTP probe failed with statuscode: 500")


@pytest.mark.parametrize(
    "answer",
    [
        redirect("http://elsewhere.example/x"),
        redirect("ftp://elsewhere.example/x"),
        b"HTTP/1.1 302 Found\r\nContent-Length: 4\r\n\r\nmove",
        b"HTTP/1.1 300 Choose\r\nLocation: /x\r\nContent-Length: 4\r\n\r\nmove",
    ],
)
def test_a_redirect_to_another_host_or_to_nowhere_is_a_success_with_a_warning(answer: bytes) -> None:
    async def work() -> ProbeResult:
        async with server(answer) as there:
            return await probe(action(there.port))

    result = asyncio.run(work())
    assert (result.good, result.status) == (True, ProbeStatus.WARNING)
    assert result.text == "Probe terminated redirects, Response body: move"


def test_the_tenth_redirect_is_not_followed() -> None:
    async def work(last: int) -> tuple[ProbeResult, int]:
        def answer(target: str, _: object) -> bytes:
            number = int(target.rpartition("/")[2])
            return OK if number == last else redirect(f"/{number + 1}")

        async with server(answer) as there:
            return await probe(action(there.port, path="/1")), len(there.heads)

    assert asyncio.run(work(10)) == (SUCCESS, 10)
    result, requests = asyncio.run(work(11))
    assert requests == 10
    assert result.text == 'Get "/11": stopped after 10 redirects'


def test_a_host_that_the_probe_sets_stays_for_a_relative_redirect_only() -> None:
    async def work() -> list[str]:
        def answer(target: str, _: object) -> bytes:
            steps = {"/1": "/2", "/2": f"http://127.0.0.1:{there.port}/3"}
            return redirect(steps[target]) if target in steps else OK

        headers = [{"name": "host", "value": "shop.example"}]
        async with server(answer) as there:
            await probe(action(there.port, path="/1", httpHeaders=headers))
            lines = [line for head in there.heads for line in head.split("\r\n") if line.startswith("Host:")]
            return [line.replace(str(there.port), "80") for line in lines]

    assert asyncio.run(work()) == ["Host: shop.example", "Host: shop.example", "Host: 127.0.0.1:80"]


def test_a_body_is_read_to_ten_kibibytes_and_no_further() -> None:
    async def work() -> ProbeResult:
        async def endless(_: str, writer: asyncio.StreamWriter) -> bytes:
            writer.write(b"HTTP/1.1 302 Found\r\n\r\n")
            while True:
                writer.write(b"x" * 1000)
                await writer.drain()

        async with server(endless) as there:
            return await probe(action(there.port))

    assert asyncio.run(work()).text == "Probe terminated redirects, Response body: " + "x" * MAX_BODY


def test_a_body_that_ends_early_is_an_error() -> None:
    async def work() -> ProbeResult:
        async with server(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort") as there:
            return await probe(action(there.port))

    result = asyncio.run(work())
    assert (result.good, result.status, result.text) == (False, ProbeStatus.ERROR, "unexpected EOF")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "HTTP probe failed with statuscode: 404"),
        (b"", 'Get "http://127.0.0.1:80/": EOF'),
        (
            b"SSH-2.0-x\r\n",
            'Get "http://127.0.0.1:80/": net/http: HTTP/1.x transport connection broken: malformed HTTP response',
        ),
        (redirect("ftp://127.0.0.1/x"), 'Get "ftp://127.0.0.1/x": unsupported protocol scheme "ftp"'),
    ],
)
def test_a_wrong_answer_is_a_failure_with_its_reason(answer: bytes, text: str) -> None:
    async def work() -> ProbeResult:
        async with server(answer) as there:
            result = await probe(action(there.port))
            return ProbeResult(result.status, result.text.replace(str(there.port), "80"))

    result = asyncio.run(work())
    assert (result.status, result.text) == (ProbeStatus.FAILURE, text)


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_waited_for_as_long_as_the_probe_says() -> None:
    async def work() -> str:
        async with server(lambda *_: asyncio.get_running_loop().create_future()) as there:
            return (await probe(action(there.port), timeout_s=1)).text.replace(str(there.port), "80")

    expected = 'Get "http://127.0.0.1:80/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    assert asyncio.run(work()) == expected


def test_a_long_header_is_no_failure() -> None:
    async def work() -> ProbeResult:
        async with server(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n") as there:
            return await probe(action(there.port))

    assert asyncio.run(work()) == SUCCESS


def test_https_is_asked_without_a_check_of_the_certificate(tmp_path: Path) -> None:
    async def work() -> ProbeResult:
        async with server(tls=tmp_path) as there:
            return await probe(action(there.port, scheme="HTTPS"))

    assert asyncio.run(work()) == SUCCESS


def test_a_server_without_tls_fails_a_probe_and_is_asked_again_by_a_hook() -> None:
    async def work() -> tuple[str, ProbeResult, list[str]]:
        async with server() as there:
            headers = [{"name": "Authorization", "value": "secret"}]
            get = action(there.port, scheme="HTTPS", httpHeaders=headers)
            probed = (await probe(get)).text
            hooked = await hook(get)
            return probed, ProbeResult(hooked.status, hooked.text.replace(str(there.port), "80")), there.heads

    probed, hooked, heads = asyncio.run(work())
    assert probed.endswith(": http: server gave HTTP response to HTTPS client")
    assert (hooked.good, hooked.status) == (True, ProbeStatus.WARNING)
    assert hooked.text == "request to HTTPS lifecycle hook 127.0.0.1:80 got HTTP response, retry with HTTP succeeded"
    assert "secret" not in "".join(heads)


def test_every_answer_to_a_hook_is_a_success_and_no_answer_is_none() -> None:
    async def work() -> tuple[ProbeResult, str, ProbeResult]:
        async with server(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n") as there:
            answered = await hook(action(there.port))
            return answered, there.heads[0], await hook(action("absent"))

    answered, head, unresolved = asyncio.run(work())
    assert answered == SUCCESS
    assert "\r\nUser-Agent: kube-lifecycle/1.36\r\n" in head
    assert (unresolved.good, unresolved.text) == (False, "port absent not found")


def test_a_port_is_found_by_name_before_it_is_read_as_a_number() -> None:
    async def work() -> list[ProbeResult]:
        async with server() as there:
            ports = [{"name": "web", "containerPort": there.port}, {"name": "7", "containerPort": there.port}]
            return [await probe(action(port), ports=ports) for port in ("web", "7", str(there.port), "none", "99999")]

    found = asyncio.run(work())
    assert found[:3] == [SUCCESS] * 3
    assert [(r.status, r.text) for r in found[3:]] == [
        (ProbeStatus.ERROR, "port none not found"),
        (ProbeStatus.ERROR, "invalid port number: 99999"),
    ]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 on this host")
def test_an_ipv6_address_stands_in_brackets_and_the_host_of_the_action_wins() -> None:
    async def work() -> tuple[ProbeResult, str, str]:
        async with server(host="::1") as there:
            good = await probe(action(there.port, path="/x"), ip="::1")
            head = there.heads[0].replace(str(there.port), "80")
            port = there.port
        refused = (await probe(action(port, host="::1"))).text.replace(str(port), "80")
        return good, head, refused

    good, head, refused = asyncio.run(work())
    assert good == SUCCESS
    assert head.startswith("GET /x HTTP/1.1\r\nHost: [::1]:80\r\n")
    assert refused == 'Get "http://[::1]:80/": dial tcp [::1]:80: connect: connection refused'

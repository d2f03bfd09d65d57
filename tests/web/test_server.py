"""`fairlead/web` as a separate process, on loopback."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import pytest

from fairlead.images.web import server

START = server.__file__.replace("server.py", "start.py")
ENV = {"FAIRLEAD_POD_NAME": "web-1", "FAIRLEAD_NODE_NAME": "node2", "FAIRLEAD_POD_IP": "10.244.2.5"}


@pytest.fixture
def running() -> Iterator[tuple[subprocess.Popen[str], int]]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    program = [sys.executable, "-I", "-S", START, str(port)]
    with subprocess.Popen(program, env=ENV, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("fairlead/web: Pod web-1 on node2")
        yield process, port
        process.kill()


def get(port: int, path: str = "/", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


def test_says_which_pod_answers(running: tuple[subprocess.Popen[str], int]) -> None:
    assert get(running[1]) == (200, b"Pod web-1 on node2 at 10.244.2.5\n")


def test_answers_json_when_asked(running: tuple[subprocess.Popen[str], int]) -> None:
    expected = {"pod": "web-1", "node": "node2", "ip": "10.244.2.5", "path": "/x", "client": "127.0.0.1"}
    for path, headers in (("/x?format=json", {}), ("/x", {"Accept": "application/json"})):
        status, body = get(running[1], path, **headers)
        assert (status, json.loads(body)) == (200, expected)


def test_keeps_a_connection_open_over_several_requests(running: tuple[subprocess.Popen[str], int]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running[1], timeout=5)
    for method, path, expected in (("GET", "/healthz", b"ok\n"), ("HEAD", "/", b""), ("GET", "/healthz", b"ok\n")):
        connection.request(method, path)
        assert connection.getresponse().read() == expected
    connection.request("POST", "/", body=b"x" * 100_000)
    response = connection.getresponse()
    assert (response.status, response.read()) == (405, b"only GET and HEAD\n")
    connection.request("GET", "/healthz")
    assert connection.getresponse().read() == b"ok\n"
    connection.close()


@pytest.mark.slow
def test_sigterm_ends_it_once_it_is_quiet(running: tuple[subprocess.Popen[str], int]) -> None:
    process, port = running
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    assert process.stdout.readline() == "fairlead/web: stopping\n"
    assert get(port)[0] == 200
    assert process.wait(5) == 0


@pytest.mark.slow
def test_a_connection_made_before_sigterm_is_answered_though_it_asks_after_it(
    running: tuple[subprocess.Popen[str], int],
) -> None:
    process, port = running
    early = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    early.connect()
    assert get(port)[0] == 200, "so the other one is accepted by now"
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    assert process.stdout.readline() == "fairlead/web: stopping\n"
    early.request("GET", "/healthz")
    assert early.getresponse().status == 200
    assert process.wait(5) == 0


def test_nonsense_gets_400() -> None:
    answer, _, keep = server.respond(server.Page(ENV).answer, b"nonsense", "c", 1, closing=False)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert not keep


def test_the_port_is_the_argument_or_the_environments_or_8080() -> None:
    assert server.choose_port(["81"], {"PORT": "82"}) == 81
    assert server.choose_port([], {"PORT": "82"}) == 82
    assert server.choose_port([], {}) == 8080
    with pytest.raises(SystemExit, match="not a port: 'x'"):
        server.choose_port(["x"], dict(os.environ))


def test_connections_that_send_nothing_or_half_a_request_do_not_keep_a_client_out(
    running: tuple[subprocess.Popen[str], int],
) -> None:
    process, port = running
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (64, 64))  # fewer than the server counted at its start
    with contextlib.ExitStack() as opened:
        for number in range(200):
            idle = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            with contextlib.suppress(ConnectionError):
                idle.sendall(b"GET / HT" if number % 2 else b"")
        for _ in range(3):
            assert get(port, "/healthz") == (200, b"ok\n")


def test_a_server_closes_the_oldest_idle_connection_of_too_many() -> None:
    program = [sys.executable, "-I", "-S", START]
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    limit = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (64, 64))
    with (
        subprocess.Popen(
            [*program, str(port)], env=ENV, stdout=subprocess.PIPE, text=True, preexec_fn=limit
        ) as process,
        contextlib.ExitStack() as opened,
    ):
        opened.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline()
        idle = [opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5)) for _ in range(100)]
        assert get(port, "/healthz") == (200, b"ok\n")
        assert idle[0].recv(1) == b""


def test_no_module_with_an_enumeration_is_imported_at_the_start() -> None:
    folder = START.removesuffix("/start.py")
    code = f"import sys; sys.path.append({folder!r}); import server; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & {"contextlib", "enum", "json", "re", "signal", "socket", "typing"} == set()

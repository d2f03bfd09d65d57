"""The answers of `fairlead/web` in place of the small web servers of tutorials."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys

import pytest

from fairlead.images.web.likeness import Asked, Identity, setup
from tests.web.test_server import START

WHO = Identity("web-1", "node2", "10.244.2.5", "gcr.io/google-samples/hello-app:2.0")


def ask(
    name: str, *args: str, target: str = "/", env: dict[str, str] | None = None, **headers: str
) -> tuple[int, int, str]:
    """The port, the status and the body of an answer."""
    ((port, answer),) = setup(name, args, env or {}, WHO).ports.items()
    status, body, _ = answer(Asked("GET", target, {"host": "web", **headers}, "10.244.1.9", 40001))
    return port, status, body.decode()


@pytest.mark.parametrize(
    ("name", "args", "target", "port", "line"),
    [
        ("echoserver", (), "/x?a=b", 8080, "\treal path=/x?a=b"),
        ("echoserver", (), "/", 8080, "\tclient_address=10.244.1.9"),
        ("echo-server", (), "/x", 8080, "GET /x HTTP/1.1"),
        ("echo-server", ("80",), "/", 80, "Request served by web-1"),
        ("http-echo", ("-text=apple",), "/", 5678, "apple"),
        ("http-echo", ("-listen=:80", "--text", "pear"), "/", 80, "pear"),
        ("hello-app", (), "/", 8080, "Version: 2.0.0"),
        ("hello-app", (), "/", 8080, "Hostname: web-1"),
        ("whoami", ("--port", "8000"), "/", 8000, "Hostname: web-1"),
        ("whoami", (), "/path", 80, "GET /path HTTP/1.1"),
        ("test-webserver", (), "/", 80, "web-1"),
        ("hello", (), "/u", 80, "Server name: web-1"),
        ("agnhost", ("serve-hostname",), "/", 9376, "web-1"),
        ("agnhost", ("netexec", "--http-port=80"), "/hostname", 80, "web-1"),
        ("agnhost", ("netexec",), "/echo?msg=hi", 8080, "hi"),
        ("agnhost", ("netexec",), "/clientip", 8080, "10.244.1.9:40001"),
        ("agnhost", ("netexec",), "/header?key=Host", 8080, "web"),
    ],
)
def test_an_answer_has_the_line_that_the_program_has(
    name: str, args: tuple[str, ...], target: str, port: int, line: str
) -> None:
    found, status, body = ask(name, *args, target=target)
    assert (found, status) == (port, 200)
    assert line in body.split("\n")


def test_json_answers_have_the_programs_fields() -> None:
    assert json.loads(ask("podinfo")[2])["hostname"] == "web-1"
    assert json.loads(ask("http-https-echo", target="/a?b=c")[2])["query"] == {"b": "c"}
    assert json.loads(ask("whoami", target="/api")[2])["headers"] == {"Host": ["web"]}
    assert json.loads(ask("agnhost", "netexec", target="/shell?cmd=echo+a%3B+exit+3")[2]) == {
        "output": "a\n",
        "error": "exit status 3",
    }


def test_a_status_and_ports_come_from_the_arguments() -> None:
    assert ask("http-echo", "-status-code=503")[1] == 503
    assert ask("agnhost", "netexec", target="/echo?msg=x&code=418")[1] == 418
    assert ask("agnhost", "netexec", target="/nothing")[1] == 404
    made = setup("agnhost", ["porter"], {"SERVE_PORT_80": "eighty", "SERVE_PORT_81": "more", "PATH": "/bin"}, WHO)
    assert list(made.ports) == [80, 81]
    assert setup("agnhost", [], {}, WHO).ports == {}


@pytest.mark.parametrize(
    ("name", "args", "text"),
    [
        ("agnhost", ["guestbook"], 'mode "guestbook" needs the real image; here are netexec, pause'),
        ("http-echo", ["-listen=:x"], "not a port"),
        ("nothing", [], 'cannot answer like "nothing": use one of agnhost, '),
    ],
)
def test_what_needs_the_real_program_is_named(name: str, args: list[str], text: str) -> None:
    with pytest.raises(SystemExit, match=text):
        setup(name, args, {}, WHO)


def test_the_server_answers_requests_and_datagrams() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = one.getsockname()[1], two.getsockname()[1]
    flags = [f"--http-port={ports[0]}", f"--udp-port={ports[1]}"]
    program = [sys.executable, "-I", "-S", START, "--like", "agnhost", "netexec", *flags]
    with subprocess.Popen(program, env={"FAIRLEAD_POD_NAME": "p"}, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().endswith(f"listening on port {ports[0]}\n")
            connection = http.client.HTTPConnection("127.0.0.1", ports[0], timeout=5)
            connection.request("POST", "/hostname", body=b"x")
            assert connection.getresponse().read() == b"p"
            connection.close()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(5)
                client.sendto(b"echo over udp\n", ("127.0.0.1", ports[1]))
                assert client.recv(100) == b"over udp"
        finally:
            process.kill()

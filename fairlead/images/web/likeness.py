"""Small web servers of tutorials: what `fairlead/web --like NAME` answers, and at which ports.

The forms of the answers are those of the programs, so that a tutorial's `grep` finds its line. An error names what
needs the real image. Loaded by `server.py` by its path, so: standard library only, and nothing of this project.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qs

_SHELL_S = 30


class Identity(NamedTuple):
    """The Pod that answers."""

    pod: str
    node: str
    ip: str
    image: str


class Asked(NamedTuple):
    """A request without its body."""

    method: str
    target: str
    headers: Mapping[str, str]
    """The values by lower-case names."""
    client: str
    port: int
    """The client's port."""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def value(self, name: str) -> str:
        return parse_qs(self.target.partition("?")[2]).get(name, [""])[-1]

    @property
    def lines(self) -> list[str]:
        """The headers as they are usually written, sorted."""
        return [f"{name.title()}: {value}" for name, value in sorted(self.headers.items())]


Reply = tuple[int, bytes, str]
"""The status, the body and its media type."""


class Setup(NamedTuple):
    """The server that a program's arguments ask for."""

    ports: Mapping[int, Callable[[Asked], Reply]]
    datagrams: Mapping[int, Callable[[str, str], str]] = {}
    """Functions of a datagram's text and the client's address, by port."""


def setup(name: str, args: Sequence[str], env: Mapping[str, str], who: Identity) -> Setup:
    """Returns what to serve. Raises SystemExit with one line if the arguments are unusable."""
    maker = _MAKERS.get(name)
    if maker is None:
        raise SystemExit(f'fairlead/web: cannot answer like "{name}": use one of {", ".join(sorted(_MAKERS))}')
    return maker(list(args), env, who)


def text(body: str, status: int = 200) -> Reply:
    return status, body.encode(), "text/plain; charset=utf-8"


def as_json(tree: object, status: int = 200) -> Reply:
    return status, json.dumps(tree, indent=2).encode() + b"\n", "application/json"


def option(args: Sequence[str], *names: str, default: str = "") -> str:
    """Returns the value of `--name=value`, `--name value` or the same with one dash; the last one wins."""
    found = default
    for number, arg in enumerate(args):
        flag, equals, value = arg.lstrip("-").partition("=")
        if arg.startswith("-") and flag in names:
            found = value if equals else (args[number + 1] if number + 1 < len(args) else "")
    return found


def port(value: str) -> int:
    """Returns the number of `8080` or `:8080`. Raises SystemExit."""
    number = value.rpartition(":")[2]
    if not (number.isascii() and number.isdigit() and len(number) < 6 and 0 < int(number) < 65536):
        raise SystemExit(f"fairlead/web: not a port: {value!r}; give a number from 1 to 65535")
    return int(number)


def _echoserver(args: list[str], env: Mapping[str, str], who: Identity) -> Setup:
    def answer(asked: Asked) -> Reply:
        facts = (("pod name", who.pod), ("node name", who.node), ("pod IP", who.ip))
        pod = [f"\t{name}:\t{value}" for name, value in facts if value]
        request = [f"\tclient_address={asked.client}", f"\tmethod={asked.method}", f"\treal path={asked.target}"]
        request += [f"\tquery={asked.target.partition('?')[2]}", "\trequest_version=1.1", "\trequest_scheme=http"]
        request.append(f"\trequest_uri=http://{asked.headers.get('host', '')}:8080{asked.target}")
        headers = [f"\t{name}={value}" for name, value in sorted(asked.headers.items())]
        parts = ["", "", f"Hostname: {who.pod}", "", "Pod Information:", *(pod or ["\t-no pod information available-"])]
        parts += ["", "Server values:", "\tserver_version=fairlead/web", "", "Request Information:", *request]
        parts += ["", "Request Headers:", *headers, "", "Request Body:", "\t-no body in request-", "", ""]
        return text("\n".join(parts))

    return Setup({port(env.get("PORT") or "8080"): answer})


def _echo_server(args: list[str], env: Mapping[str, str], who: Identity) -> Setup:
    def answer(asked: Asked) -> Reply:
        request = [f"{asked.method} {asked.target} HTTP/1.1", "", *asked.lines]
        return text("\n".join([f"Request served by {who.pod}", "", *request, "", ""]))

    return Setup({port((args or [""])[0] or env.get("PORT") or "8080"): answer})


def _http_https_echo(args: list[str], env: Mapping[str, str], who: Identity) -> Setup:
    def answer(asked: Asked) -> Reply:
        host = asked.headers.get("host", "")
        tree = {"path": asked.path, "headers": dict(asked.headers), "method": asked.method, "hostname": host}
        query = {name: values[-1] for name, values in parse_qs(asked.target.partition("?")[2]).items()}
        return as_json({**tree, "query": query, "ip": asked.client, "protocol": "http", "os": {"hostname": who.pod}})

    return Setup({port(env.get("HTTP_PORT") or "8080"): answer})


def _http_echo(args: list[str], env: Mapping[str, str], who: Identity) -> Setup:
    content = option(args, "text", default=env.get("ECHO_TEXT", "hello-world"))
    status = option(args, "status-code", default="200")

    def answer(asked: Asked) -> Reply:
        if asked.path == "/health":
            return as_json({"status": "ok"})
        return text(content + "\n", int(status) if status.isdigit() else 200)

    return Setup({port(option(args, "listen", default=":5678")): answer})


def _hello_app(args: list[str], env: Mapping[str, str], who: Identity) -> Setup:
    tag = who.image.rpartition(":")[2]
    version = {"1.0": "1.0.0", "2.0": "2.0.0"}.get(tag, "1.0.0")
    body = f"Hello, world!\nVersion: {version}\nHostname: {who.pod}\n"
    return Setup({port(env.get("PORT") or "8080"): lambda _: text(body)})


def _whoami(args: list[str], env: Mapping[str, str], who: Identity) -> Setup:
    name = option(args, "name", default=env.get("WHOAMI_NAME", ""))

    def answer(asked: Asked) -> Reply:
        if asked.path == "/health":
            return text("")
        headers = {line.partition(": ")[0]: [line.partition(": ")[2]] for line in asked.lines}
        addresses = ["127.0.0.1", *filter(None, [who.ip])]
        if asked.path == "/api":
            tree = {"hostname": who.pod, "ip": addresses, "headers": headers, "url": asked.target}
            return as_json({**tree, "host": asked.headers.get("host", ""), "method": asked.method})
        lines = [f"Name: {name}"] if name else []
        lines += [f"Hostname: {who.pod}", *(f"IP: {ip}" for ip in addresses)]
        lines += [f"RemoteAddr: {asked.client}:{asked.port}", f"{asked.method} {asked.target} HTTP/1.1"]
        host = [line for line in asked.lines if line.startswith("Host: ")]
        rest = [line for line in asked.lines if not line.startswith("Host: ")]
        return text("\n".join([*lines, *host, *rest, "", ""]))

    number = option(args, "port", default=env.get("WHOAMI_PORT_NUMBER", "80"))
    return Setup({port(number): answer})


def _kuard(args: list[str], env: Mapping[str, str], who: Identity) -> Setup:
    def answer(asked: Asked) -> Reply:
        if asked.path in ("/healthy", "/ready"):
            return text("ok")
        if asked.path == "/env/api":
            return as_json({"commandLine": ["/kuard", *args], "env": dict(env)})
        page = f"<!DOCTYPE html><title>KUAR Demo</title><h1>KUAR Demo</h1><p>hostname: {who.pod}</p>"
        return 200, f"{page}<p>addresses: {who.ip}</p>\n".encode(), "text/html; charset=utf-8"

    return Setup({port(option(args, "address", default=":8080")): answer})


def _test_webserver(args: list[str], env: Mapping[str, str], who: Identity) -> Setup:
    return Setup({port(option(args, "port", default="80")): lambda _: text(f"{who.pod}\n")})


def _podinfo(args: list[str], env: Mapping[str, str], who: Identity) -> Setup:
    message = env.get("PODINFO_UI_MESSAGE") or "greetings from podinfo"
    tag = who.image.rpartition(":")[2]

    def answer(asked: Asked) -> Reply:
        if asked.path in ("/healthz", "/readyz"):
            return as_json({"status": "OK"})
        if asked.path == "/version":
            return as_json({"version": tag, "commit": "fairlead/web"})
        if asked.path == "/env":
            return as_json([f"{name}={value}" for name, value in sorted(env.items())])
        tree = {"hostname": who.pod, "version": tag, "revision": "fairlead/web", "color": "#34577c"}
        return as_json({**tree, "message": message, "goos": "linux"})

    return Setup({port(option(args, "port", default="9898")): answer})


def _hello(args: list[str], env: Mapping[str, str], who: Identity) -> Setup:
    def answer(asked: Asked) -> Reply:
        now = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        host = asked.headers.get("host", "")
        lines = [f"Server address: {who.ip}:{number}", f"Server name: {who.pod}", f"Date: {now}"]
        return text("\n".join([*lines, f"URI: {asked.target}", f"Host: {host}", ""]))

    number = port("8080" if "kubernetes" in who.image else "80")
    return Setup({port(env.get("PORT") or str(number)): answer})


def _agnhost(args: list[str], env: Mapping[str, str], who: Identity) -> Setup:
    mode, rest = (args or ["pause"])[0], args[1:]
    match mode:
        case "pause":
            return Setup({})
        case "serve-hostname":
            number = port(option(rest, "port", default="9376"))
            datagrams = {number: lambda *_: who.pod} if option(rest, "udp", default="-") in ("", "true") else {}
            return Setup({number: lambda _: text(who.pod)}, datagrams)
        case "test-webserver":
            return _test_webserver(rest, env, who)
        case "netexec":
            datagram = port(option(rest, "udp-port", default="8081"))
            return Setup(
                {port(option(rest, "http-port", default="8080")): lambda asked: _netexec(asked, who)},
                {datagram: lambda asked, client: _netexec_datagram(asked, client, who)},
            )
        case "porter":
            served = {
                name.removeprefix("SERVE_PORT_"): body for name, body in env.items() if name[:11] == "SERVE_PORT_"
            }
            return Setup({port(number): _says(body) for number, body in served.items()})
        case _:
            pass
    modes = "netexec, pause, porter, serve-hostname, test-webserver"
    raise SystemExit(f'fairlead/web: agnhost\'s mode "{mode}" needs the real image; here are {modes}')


def _says(body: str) -> Callable[[Asked], Reply]:
    return lambda _: text(body)


def _netexec(asked: Asked, who: Identity) -> Reply:
    match asked.path:
        case "/":
            return text(f"NOW: {time.strftime('%Y-%m-%d %H:%M:%S +0000 UTC', time.gmtime())}")
        case "/hostname" | "/hostName":
            return text(who.pod)
        case "/clientip":
            host = f"[{asked.client}]" if ":" in asked.client else asked.client
            return text(f"{host}:{asked.port}")
        case "/echo":
            code = asked.value("code")
            return text(asked.value("msg"), int(code) if code.isdigit() else 200)
        case "/header":
            return text(asked.headers.get(asked.value("key").lower(), ""))
        case "/healthz" | "/readyz":
            return text("")
        case "/redirect":
            return text("redirects need the real image\n", 501)
        case "/exit":
            os._exit(int(code) if (code := asked.value("code")).isdigit() else 0)
        case "/shell":
            return _shell(asked.value("shellCommand") or asked.value("cmd"))
        case _:
            return text("404 page not found\n", 404)


def _shell(command: str) -> Reply:
    import subprocess

    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=_SHELL_S)
    tree = {"output": done.stdout + done.stderr}
    return as_json(tree | ({"error": f"exit status {done.returncode}"} if done.returncode else {}))


def _netexec_datagram(asked: str, client: str, who: Identity) -> str:
    command, _, rest = asked.strip().partition(" ")
    match command.lower():
        case "hostname":
            return who.pod
        case "echo":
            return rest
        case "clientip":
            return client
        case _:
            return ""


_MAKERS: dict[str, Callable[[list[str], Mapping[str, str], Identity], Setup]] = {
    "agnhost": _agnhost,
    "echo-server": _echo_server,
    "echoserver": _echoserver,
    "hello": _hello,
    "hello-app": _hello_app,
    "http-echo": _http_echo,
    "http-https-echo": _http_https_echo,
    "kuard": _kuard,
    "podinfo": _podinfo,
    "test-webserver": _test_webserver,
    "whoami": _whoami,
}

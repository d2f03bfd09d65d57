"""One probe of a container, once: HTTP, TCP or a command. Success is None, failure is the text that says why."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Sequence

from fairlead.api.columns import join_host_port
from fairlead.api.container import Container
from fairlead.api.probe import HTTPGetAction, LifecycleHandler, Probe, TCPSocketAction
from fairlead.base.numbers import integer, natural

RunCommand = Callable[[Sequence[str], float], Awaitable[tuple[int, bytes]]]
"""Runs a command in the container: its exit code and what it said. Raises TimeoutError."""

_MAX_HEAD = 65536
_SAID = 10_000


async def probe_once(probe: Probe, container: Container, ip: str, run: RunCommand) -> str | None:
    """Success is None. Never raises for what a program may do."""
    timeout_s = float(max(probe.timeoutSeconds, 1))
    if probe.httpGet:
        return await http_get(probe.httpGet, container, ip, timeout_s)
    if probe.tcpSocket:
        return await _tcp(probe.tcpSocket, container, ip, timeout_s)
    if probe.exec:
        return await _command(probe.exec.command, timeout_s, run)
    return "this sort of probe is not supported by fairlead's nodes; use httpGet, tcpSocket or exec"


async def run_hook(
    hook: LifecycleHandler, container: Container, ip: str, run: RunCommand, timeout_s: float
) -> str | None:
    """A lifecycle hook, likewise."""
    if hook.exec:
        return await _command(hook.exec.command, timeout_s, run)
    if hook.httpGet:
        return await http_get(hook.httpGet, container, ip, timeout_s)
    if hook.sleep:
        await asyncio.sleep(min(hook.sleep.seconds, timeout_s))
    return None


def port_of(port: int | str, container: Container) -> int | None:
    """A port given by number, or by its name in the container."""
    if isinstance(port, int):
        return port
    if (number := natural(port)) is not None:
        return number
    return next((p.containerPort for p in container.ports if p.name == port), None)


async def http_get(action: HTTPGetAction, container: Container, ip: str, timeout_s: float) -> str | None:
    port = port_of(action.port, container)
    if port is None:
        return f"couldn't find port: {action.port}"
    host = action.host or ip
    scheme = (action.scheme or "HTTP").lower()
    path = action.path or "/"
    where = join_host_port(host, port)
    url = f"{scheme}://{where}{path if path.startswith('/') else '/' + path}"
    headers = {"Host": where, "User-Agent": "kube-probe/1.36", "Accept": "*/*", "Connection": "close"}
    headers |= {h.name: h.value for h in action.httpHeaders}
    head = f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
    try:
        async with asyncio.timeout(timeout_s):
            status = await _ask(host, port, head.encode(), tls=scheme == "https")
    except TimeoutError:
        return f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    except (OSError, ValueError) as error:
        return f'Get "{url}": {_dial_text(host, port, error)}'
    return None if 200 <= status < 400 else f"HTTP probe failed with statuscode: {status}"


async def _ask(host: str, port: int, request: bytes, *, tls: bool) -> int:
    reader, writer = await asyncio.open_connection(host, port, ssl=_trusting() if tls else None, limit=_MAX_HEAD)
    try:
        writer.write(request)
        line = await reader.readline()
        parts = line.split(b" ", 2)
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/"):
            raise ValueError("malformed HTTP response" if line else "EOF")
        return integer(parts[1].decode("latin-1").strip())
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _trusting() -> ssl.SSLContext:
    """Probes do not check certificates, as upstream's do not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _tcp(action: TCPSocketAction, container: Container, ip: str, timeout_s: float) -> str | None:
    port = port_of(action.port, container)
    if port is None:
        return f"couldn't find port: {action.port}"
    host = action.host or ip
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"dial tcp {join_host_port(host, port)}: i/o timeout"
    except OSError as error:
        return _dial_text(host, port, error)
    writer.close()
    return None


def _dial_text(host: str, port: int, error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {join_host_port(host, port)}: connect: connection refused"
    return f"{error}" if isinstance(error, ValueError) else f"dial tcp {join_host_port(host, port)}: {error}"


async def _command(argv: Sequence[str], timeout_s: float, run: RunCommand) -> str | None:
    try:
        code, said = await run(argv, timeout_s)
    except TimeoutError:
        return f"command timed out: {' '.join(argv)!r} timed out after {timeout_s:g}s"
    text = said[:_SAID].decode(errors="replace")
    return None if code == 0 else text or f"command {' '.join(argv)!r} exited with {code}"


async def wait_for_port(ip: str, port: int, timeout_s: float) -> None:
    """Returns when something listens there, or the time is over."""
    pause_s = 0.002
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    _, writer = await asyncio.open_connection(ip, port)
                except OSError:
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 1.5, 0.05)
                else:
                    writer.close()
                    return

"""One probe of a container, or one lifecycle hook: HTTP, TCP, gRPC, a command or a pause."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.containers.probe import GRPCAction, HTTPGetAction, LifecycleHandler, Probe, TCPSocketAction
from fairlead.api.meta.columns import join_host_port
from fairlead.node.env.environment import expand
from fairlead.node.probes import grpc as grpchealth
from fairlead.node.probes import httpget
from fairlead.node.probes.address import PortError, dial_text, resolve_port
from fairlead.node.probes.result import SUCCESS, ProbeResult, error, failure, warning

RunCommand = Callable[[Sequence[str], float | None], Awaitable[tuple[int, bytes]]]
"""Runs a command in the container; returns its exit code and its output. Raises TimeoutError."""

_OUTPUT = 10_000
"""Bytes of a command's output that an event shows."""


async def probe_once(probe: Probe, container: Container, ip: str, run: RunCommand) -> ProbeResult:
    """Makes one probe. Never raises for what a program may do."""
    timeout_s = float(max(probe.timeoutSeconds, 1))
    try:
        if probe.httpGet:
            return await _http(probe.httpGet, container, ip, timeout_s)
        if probe.tcpSocket:
            return await _tcp(probe.tcpSocket, container, ip, timeout_s)
        if probe.grpc:
            return await _grpc(probe.grpc, ip, timeout_s)
        if probe.exec:
            return await _command(_expanded(probe.exec.command, container), timeout_s, run)
    except PortError as problem:
        return error(str(problem))
    return error("missing probe handler")


async def run_hook(
    hook: LifecycleHandler, container: Container, ip: str, run: RunCommand, timeout_s: float | None
) -> ProbeResult:
    """Runs a lifecycle hook; without a limit it may take any time."""
    if hook.exec:
        return await _command(hook.exec.command, timeout_s, run)
    if hook.httpGet:
        return await _http_hook(hook.httpGet, container, ip, timeout_s)
    if hook.sleep:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await asyncio.sleep(hook.sleep.seconds)
    return SUCCESS


async def _http(action: HTTPGetAction, container: Container, ip: str, timeout_s: float) -> ProbeResult:
    request = httpget.request_of(action, container, ip, "kube-probe")
    try:
        async with asyncio.timeout(timeout_s):
            response = await httpget.get(request)
    except TimeoutError:
        return failure(_http_timeout(request))
    except httpget.GetError as problem:
        return failure(str(problem))
    except httpget.BodyError as problem:
        return error(str(problem))
    if 300 <= response.status < 400:
        return warning(f"Probe terminated redirects, Response body: {response.body}")
    if 200 <= response.status < 300:
        return SUCCESS
    return failure(f"HTTP probe failed with statuscode: {response.status}")


async def _http_hook(action: HTTPGetAction, container: Container, ip: str, timeout_s: float | None) -> ProbeResult:
    """Sends the request of a hook. Any response is a success; if the server does not speak TLS, the request is repeated
    without it."""
    try:
        request = httpget.request_of(action, container, ip, "kube-lifecycle")
        async with asyncio.timeout(timeout_s):
            try:
                await httpget.get(request)
            except httpget.PlainResponseError:
                await httpget.get(request.plain())
                address = request.url.authority
                return warning(
                    f"request to HTTPS lifecycle hook {address} got HTTP response, retry with HTTP succeeded"
                )
    except TimeoutError:
        return failure(_http_timeout(request))
    except (httpget.GetError, PortError) as problem:
        return failure(str(problem))
    except httpget.BodyError:
        return SUCCESS
    return SUCCESS


def _http_timeout(request: httpget.GetRequest) -> str:
    return f'Get "{request.url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'


async def _tcp(action: TCPSocketAction, container: Container, ip: str, timeout_s: float) -> ProbeResult:
    host, port = action.host or ip, resolve_port(action.port, container)
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return failure(f"dial tcp {join_host_port(host, port)}: i/o timeout")
    except OSError as problem:
        return failure(dial_text(host, port, problem))
    writer.close()
    return SUCCESS


async def _grpc(action: GRPCAction, ip: str, timeout_s: float) -> ProbeResult:
    tls = action.mode == "TLS"
    return await grpchealth.check(ip, action.port, action.service or "", timeout_s=timeout_s, tls=tls)


def _expanded(command: Sequence[str], container: Container) -> list[str]:
    """Replaces $(NAME) by the container's variables as the manifest has them; one with valueFrom counts as empty."""
    values = {variable.name: variable.value for variable in container.env}
    return [expand(word, values) for word in command]


async def _command(argv: Sequence[str], timeout_s: float | None, run: RunCommand) -> ProbeResult:
    try:
        code, output = await run(argv, timeout_s)
    except TimeoutError:
        return failure(f"command timed out: {' '.join(argv)!r} timed out after {timeout_s:g}s")
    text = output[:_OUTPUT].decode(errors="replace")
    return SUCCESS if code == 0 else failure(text or f"command {' '.join(argv)!r} exited with {code}")


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
                    # An attempt costs 20 us, so a program is noticed at most a fifth after the time it took to listen.
                    pause_s = min(pause_s * 1.2, 0.05)
                else:
                    writer.close()
                    return

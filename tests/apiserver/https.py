"""An API server on loopback over HTTPS, in a thread, with the files that clients need."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fairlead.apiserver.server import ApiServer
from fairlead.base.clock import RealClock
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.wiring import pki, tls

_KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: test
clusters: [{{name: test, cluster: {{server: "{url}", certificate-authority: {pki}/ca.crt}}}}]
users: [{{name: test, user: {{client-certificate: {pki}/admin.crt, client-key: {pki}/admin.key}}}}]
contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
"""


def make_certificates(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    clock = RealClock()
    pki.make(pki.missing(ClusterConfig("test"), folder, clock=clock), folder, clock=clock)
    return folder


def listen(home: Path, folder: Path) -> tuple[socket.socket, str]:
    """Returns a listening socket with its URL, and writes a kubeconfig with an administrator's rights into `home`."""
    sock = socket.create_server(("127.0.0.1", 0))
    url = f"https://127.0.0.1:{sock.getsockname()[1]}"
    (home / "kubeconfig").write_text(_KUBECONFIG.format(url=url, pki=folder))
    return sock, url


async def serve(server: ApiServer, sock: socket.socket, folder: Path) -> None:
    await server.serve([sock], tls.server(folder, "apiserver", require_client=False))


@contextmanager
def serving(start: Callable[[], Awaitable[ApiServer]], home: Path) -> Iterator[str]:
    """Runs the server in a thread, on another event loop; yields its URL. `home` gets the certificates (in
    `pki`) and a kubeconfig."""
    folder = make_certificates(home / "pki")
    sock, url = listen(home, folder)
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def run() -> None:
        server = await start()
        await serve(server, sock, folder)
        ready.set()
        try:
            await asyncio.Event().wait()
        finally:
            await server.stop()

    thread = threading.Thread(target=_complete, args=(loop, run))
    thread.start()
    try:
        assert ready.wait(60), "the server did not start"
        yield url
    finally:
        loop.call_soon_threadsafe(_cancel_all, loop)
        thread.join()


def _complete(loop: asyncio.AbstractEventLoop, run: Callable[[], Awaitable[None]]) -> None:
    try:
        loop.run_until_complete(run())
    except asyncio.CancelledError:
        pass
    finally:
        loop.close()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()

"""An API server with a real clock on loopback, in a thread, for clients that talk HTTPS."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubernetes import client, config

from fairlead.api.kinds import built_in
from fairlead.apiserver.server import ApiServer
from fairlead.apiserver.settings import ApiSettings
from fairlead.base.clock import RealClock
from fairlead.base.ids import RandomIds
from fairlead.base.log import SILENT
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.wiring import pki, tls
from fairlead.store.memory import MemoryStore
from tests.apiserver.tokenkeys import KEYS

_KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: test
clusters: [{{name: test, cluster: {{server: "{url}", certificate-authority: {pki}/ca.crt}}}}]
users: [{{name: test, user: {{client-certificate: {pki}/admin.crt, client-key: {pki}/admin.key}}}}]
contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
"""


@dataclass(frozen=True)
class Served:
    """A running server."""

    url: str
    kubeconfig: Path

    @contextmanager
    def client(self) -> Iterator[client.ApiClient]:
        """A client with the rights of the administrator, whose connections are closed at the end."""
        api = config.new_client_from_config(str(self.kubeconfig))
        try:
            yield api
        finally:
            api.close()
            api.rest_client.pool_manager.clear()


@contextmanager
def serving(home: Path) -> Iterator[Served]:
    """Runs a server with an empty store; `home` gets its certificates and kubeconfig."""
    folder, clock = home / "pki", RealClock()
    folder.mkdir()
    pki.make(pki.missing(ClusterConfig("test"), folder, clock=clock), folder, clock=clock)
    sock = socket.create_server(("127.0.0.1", 0))
    url = f"https://127.0.0.1:{sock.getsockname()[1]}"
    kubeconfig = home / "kubeconfig"
    kubeconfig.write_text(_KUBECONFIG.format(url=url, pki=folder))
    ready, loop = threading.Event(), asyncio.new_event_loop()
    thread = threading.Thread(target=_run, args=(folder, sock, ready, loop))
    thread.start()
    try:
        assert ready.wait(60), "the server did not start"
        yield Served(url, kubeconfig)
    finally:
        loop.call_soon_threadsafe(_cancel_all, loop)
        thread.join()


def _run(folder: Path, sock: socket.socket, ready: threading.Event, loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> None:
        rng = random.Random(7)
        settings = ApiSettings(
            advertise_address="172.30.0.1", token_keys=KEYS, ca_pem=(folder / "ca.crt").read_text(encoding="ascii")
        )
        server = ApiServer(
            MemoryStore(),
            scheme=built_in(),
            settings=settings,
            clock=RealClock(),
            rng=rng,
            ids=RandomIds(rng),
            log=SILENT,
        )
        await server.start()
        await server.serve([sock], tls.server(folder, "apiserver", require_client=False))
        ready.set()
        try:
            await asyncio.Event().wait()
        finally:
            await server.stop()

    try:
        loop.run_until_complete(main())
    except asyncio.CancelledError:
        pass
    finally:
        loop.close()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()

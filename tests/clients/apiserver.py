"""An API server with a real clock on loopback, in a thread, for clients that talk HTTPS."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kubernetes import client, config

from fairlead.api.kinds import built_in
from fairlead.apiserver.server import ApiServer
from fairlead.apiserver.settings import ApiSettings
from fairlead.base.clock import RealClock
from fairlead.base.ids import RandomIds
from fairlead.base.log import SILENT
from fairlead.store.memory import MemoryStore
from tests.apiserver import https
from tests.apiserver.tokenkeys import KEYS


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
    with https.serving(partial(_start, home / "pki"), home) as url:
        yield Served(url, home / "kubeconfig")


async def _start(folder: Path) -> ApiServer:
    rng = random.Random(7)
    ca_pem = (folder / "ca.crt").read_text(encoding="ascii")
    server = ApiServer(
        MemoryStore(),
        scheme=built_in(),
        settings=ApiSettings(advertise_address="172.30.0.1", token_keys=KEYS, ca_pem=ca_pem),
        clock=RealClock(),
        rng=rng,
        ids=RandomIds(rng),
        log=SILENT,
    )
    await server.start()
    return server

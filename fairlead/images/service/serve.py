"""Serves pulls until no node has asked for a while: then the process ends."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass
from fairlead.images.errors import ImageError
from fairlead.images.reference import parse_reference
from fairlead.images.registry.credentials import of_docker
from fairlead.images.registry.pull import pull
from fairlead.images.registry.settings import read_registries
from fairlead.images.service.protocol import LONGEST_LINE, PullRequest, PullResult, from_line, to_line
from fairlead.images.store.store import ImageStore

IDLE_S = 30.0


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    store: Path
    registries: Path
    """The user's settings of registries; the file may be missing."""
    docker_config: Path
    allowed: str
    """The registries that the cluster may pull from: see `Registries.allowed`."""


class PullService:
    """Pulls one image once, even if several nodes ask for it at the same time with the same credentials."""

    def __init__(self, settings: ServiceSettings, *, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._pulls: dict[PullRequest, asyncio.Task[PullResult]] = {}
        self._connections = 0
        self._used = asyncio.Event()

    async def serve(self, listener: socket.socket, *, idle_s: float = IDLE_S) -> None:
        """Serves until nothing has happened for `idle_s` seconds."""
        server = await asyncio.start_unix_server(self._connected, sock=listener, limit=LONGEST_LINE)
        async with asyncio.TaskGroup() as self._group:
            while True:
                self._used.clear()
                try:
                    async with asyncio.timeout(idle_s):
                        await self._used.wait()
                except TimeoutError:
                    if not self._connections:
                        break
            server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        self._used.set()
        try:
            try:
                request = from_line(PullRequest, await reader.readline())
            except ValueError as error:
                result = PullResult(error=f"the request cannot be read: {error}")
            else:
                result = await self._pulled(request)
            writer.write(to_line(result))
            await writer.drain()
        except ConnectionError:
            pass  # the agent has ended; the pull goes on for the next one
        finally:
            writer.close()
            self._connections -= 1
            self._used.set()

    async def _pulled(self, request: PullRequest) -> PullResult:
        task = self._pulls.get(request)
        if task is None:
            task = self._pulls[request] = self._group.create_task(self._pull(request))
            task.add_done_callback(lambda _: self._pulls.pop(request))
        return await asyncio.shield(task)

    async def _pull(self, request: PullRequest) -> PullResult:
        settings, start = self._settings, self._clock.monotonic()
        try:
            reference = parse_reference(request.image)
            registries = read_registries(settings.registries, allowed=settings.allowed)
            own = await asyncio.to_thread(of_docker, str(settings.docker_config), reference)
            store = ImageStore(settings.store)
            credentials = (*request.credentials, *own)
            image = await pull(store, reference, registries=registries, credentials=credentials)
        except ImageError as error:
            return PullResult(error=str(error))
        except OSError as error:
            return PullResult(error=f"cannot write to the image store: {error}")
        return PullResult(size=image.size, seconds=self._clock.monotonic() - start)

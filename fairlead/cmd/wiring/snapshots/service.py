"""Does the work of `fairlead reset` and `fairlead snapshot`, in the control plane's process.

The store is written directly, beside admission and finalizers: a reset shall not wait for a finalizer whose controller
it ends. Writes are sent at once, one transaction each, so that each has another revision, which watches need; the
store commits them together, before any write of a controller.

A controller that decided before the reset may write after it. So the state is checked again, until nothing is left.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from fairlead import __version__
from fairlead.apiserver.server import ApiServer
from fairlead.apiserver.settings import ApiSettings
from fairlead.base.clock import Clock
from fairlead.base.instant import Instant, render_time
from fairlead.base.log import Log
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.paths import Paths
from fairlead.cmd.wiring.snapshots import plan, volumes
from fairlead.cmd.wiring.snapshots.folder import Folders, NoSuchSnapshot, Snapshot, SnapshotError
from fairlead.cmd.wiring.snapshots.initial import initial_objects
from fairlead.cmd.wiring.snapshots.pausing import paused
from fairlead.machinery.values.status import (
    StatusError,
    bad_request,
    internal_error,
    method_not_allowed,
    no_such_resource,
)
from fairlead.runtime.client import Request, Response
from fairlead.store.model import Operation, Store

_PASSES = 20
_NODE_TRIES, _NODE_RETRY_S = 40, 0.25
_JSON = {"content-type": "application/json"}


class Snapshots:
    """Reset and snapshots of one cluster."""

    def __init__(  # noqa: PLR0913 -- the parts of the control plane that a reset concerns
        self,
        server: ApiServer,
        store: Store,
        *,
        settings: ApiSettings,
        config: ClusterConfig,
        paths: Paths,
        started: Instant,
        clock: Clock,
        rng: random.Random,
        log: Log,
    ) -> None:
        self._server = server
        self._store = store
        self._settings = settings
        self._config = config
        self._root = paths.root
        self._record = paths.paused
        self._folders = Folders(paths.snapshots)
        self._start = f"{started:.3f}"
        self._clock = clock
        self._rng = rng
        self._log = log
        self._turn = asyncio.Lock()
        self._base: Mapping[str, bytes] | None = None

    async def handle(self, request: Request) -> Response:
        """Answers a request below `/fairlead/v1/`. Raises StatusError."""
        match request.path.strip("/").split("/")[1:]:
            case ["v1", "reset"]:
                return await self._answer(request, POST=self._reset)
            case ["v1", "snapshots", name]:
                return await self._answer(request, POST=lambda: self._save(name), DELETE=lambda: self._delete(name))
            case ["v1", "snapshots", name, "restore"]:
                return await self._answer(request, POST=lambda: self._restore(name))
            case _:
                raise no_such_resource()

    async def _answer(self, request: Request, **works: Callable[[], Awaitable[object]]) -> Response:
        work = works.get(request.method)
        if work is None:
            raise method_not_allowed()
        async with self._turn:
            try:
                result = await work()
            except NoSuchSnapshot as e:
                raise StatusError(404, "NotFound", str(e)) from e
            except SnapshotError as e:
                raise bad_request(str(e)) from e
            except (OSError, volumes.CopyError) as e:
                raise internal_error(str(e)) from e
        return Response(200, msgspec.json.encode(result), _JSON)

    async def _reset(self) -> dict[str, int]:
        base = await self._base_objects()
        deleted = 0
        for turn in range(_PASSES):
            operations = plan.reset(await self._current(), base)
            if turn and not operations:
                break
            deleted += len(operations)
            await self._write(operations)
            await self._end_pods()
        await asyncio.to_thread(volumes.empty, self._root, volumes.PROVISIONED)
        return {"changes": deleted}

    async def _save(self, name: str) -> Snapshot:
        folder = self._folders.begin(name)
        with paused(self._record):
            page = await self._store.list(plan.ROOT)
            objects = {record.key: record.value for record in page.records}
            copied = await asyncio.to_thread(volumes.copy, self._root, folder.volumes, volumes.folders_of(objects))
        size = await asyncio.to_thread(volumes.size_of, folder.volumes)
        snapshot = Snapshot(
            name=name,
            created=render_time(self._clock.now()),
            objects=len(objects),
            volumes=len(copied),
            bytes=size,
            revision=page.revision,
            fairlead=__version__,
        )
        folder.write(snapshot, objects)
        self._folders.finish(name)
        return snapshot

    async def _restore(self, name: str) -> Snapshot:
        folder = self._folders.of(name)
        snapshot, objects = folder.describe(), folder.read_objects()
        folders = volumes.folders_of(objects)
        volumes.check_inside(folder.volumes, folders)
        await self._reset()
        await asyncio.to_thread(volumes.copy, folder.volumes, self._root, folders)
        await self._write(plan.restore(await self._current(), objects, await self._base_objects()))
        return snapshot

    async def _delete(self, name: str) -> dict[str, str]:
        if not await asyncio.to_thread(self._folders.delete, name):
            self._folders.of(name).describe()  # raises NoSuchSnapshot
        return {"name": name}

    async def _base_objects(self) -> Mapping[str, bytes]:
        if self._base is None:
            outside = f"{self._config.network().control_ip}:53"
            self._base = await initial_objects(
                self._settings, self._config, clock=self._clock, rng=self._rng, outside=outside, start=self._start
            )
        return self._base

    async def _current(self) -> dict[str, bytes]:
        return {record.key: record.value for record in (await self._store.list(plan.ROOT)).records}

    async def _write(self, operations: Sequence[Operation]) -> None:
        results = await asyncio.gather(*(self._store.txn((), (operation,)) for operation in operations))
        await self._server.wait_for_revision(max((result.revision for result in results), default=0))

    async def _end_pods(self) -> None:
        await asyncio.gather(*(self._end_pods_of(node) for node in self._config.node_names))

    async def _end_pods_of(self, node: str) -> None:
        """Waits for a node whose agent is being restarted. Raises StatusError."""
        for _ in range(_NODE_TRIES):
            try:
                await self._server.end_deleted_pods(node)
                return
            except StatusError as e:
                error = e
            await asyncio.sleep(_NODE_RETRY_S)
        raise error

"""The control plane's process: API server, controllers and scheduler on one event loop.

Controllers use the server's in-process transport, without TLS. All other clients connect to the sockets that pid 1
keeps open over a restart, so that clients then wait a moment and are not refused.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fairlead.base.clock import RealClock
from fairlead.base.dataclass import dataclass
from fairlead.base.ids import RandomIds
from fairlead.base.instant import Instant
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.paths import Paths, read_domain
from fairlead.cmd.errors import CommandError
from fairlead.cmd.wiring import tls
from fairlead.cmd.wiring.openstore import open_store
from fairlead.cmd.wiring.settled import trim_when_settled
from fairlead.net.model import API_PORT_INSIDE

if TYPE_CHECKING:
    from fairlead.apiserver.metrics import MetricsSource
    from fairlead.apiserver.model import HealthCheck, PathHandler
    from fairlead.apiserver.server import ApiServer
    from fairlead.apiserver.settings import ApiSettings
    from fairlead.base.log import Log
    from fairlead.cmd.wiring.snapshots.service import Snapshots
    from fairlead.controllers.certificates.signing.authority import AuthorityFiles
    from fairlead.machinery.kinds.scheme import Scheme
    from fairlead.runtime.client import Client, Request, Response
    from fairlead.runtime.queue import QueueMetrics
    from fairlead.store.model import Store


WARM = (
    "uvloop",
    "fairlead.apiserver.server",
    "fairlead.cmd.wiring.membership",
    "fairlead.controllers",
    "fairlead.loadbalancer.loop",
    "fairlead.runtime.typed",
    "fairlead.scheduler.loop",
    "fairlead.store.sqlite",
)
"""Modules that the template imports before it forks this process."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """Settings, sockets and callbacks from pid 1."""

    config: ClusterConfig
    paths: Paths
    sockets: Sequence[socket.socket]
    report_ready: Callable[[Literal["api", "nodes"], str], None]
    """Reports to the supervisor that a part is ready, with a line for the user."""
    started: Instant
    """The start of the cluster."""


def main(wiring: Wiring) -> None:
    import uvloop

    from fairlead.store.model import Damaged, StoreError

    os.umask(0o077)  # for the store: SQLite makes further files beside it
    try:
        uvloop.run(_until_asked(wiring))
    except Damaged as e:
        raise CommandError(f"{e}: {_cure(wiring)}") from e
    except StoreError as e:
        prefix = "" if wiring.config.etcd or str(wiring.paths.store) in str(e) else f"{wiring.paths.store}: "
        raise CommandError(f"{prefix}{e}") from e


def _cure(wiring: Wiring) -> str:
    """Returns the remedy for an unreadable object or file."""
    store, purge = wiring.paths.store, f"fairlead down --purge --name {wiring.config.name}"
    if wiring.config.etcd:
        return f"write the object anew or delete its key (etcdctl del KEY) in {wiring.config.store}"
    remove = f"""sqlite3 {store} "delete from object where key = '...'\""""
    return f"replace {store} with a whole copy, remove the object ({remove}), or delete all objects: {purge}"


async def _until_asked(wiring: Wiring) -> None:
    """Runs until SIGTERM; then the store is closed in order."""
    asked = False
    running = asyncio.current_task()
    assert running is not None

    def end() -> None:
        nonlocal asked
        asked = True
        running.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    try:
        await _run(wiring)
    except asyncio.CancelledError:
        if not asked:
            raise


def _settings(
    config: ClusterConfig,
    paths: Paths,
    components: Mapping[str, HealthCheck],
    handlers: Mapping[str, PathHandler],
    metrics: tuple[MetricsSource, ...],
) -> ApiSettings:
    from fairlead.apiserver.extensions import Extensions
    from fairlead.apiserver.settings import ApiSettings, AuditSettings, FrontProxy
    from fairlead.cmd.wiring.page import LatePages
    from fairlead.cmd.wiring.pki import token_keys

    front = paths.pki / "front-proxy-client"
    pages = LatePages(config, clock=RealClock(), domain=partial(read_domain, paths.domain))
    audit = None
    if config.audit_policy:
        policy = Path(config.audit_policy).read_text(encoding="utf-8")
        audit = AuditSettings(policy, config.audit_log, config.audit_log_maxsize << 20)
    return ApiSettings(
        audit=audit,
        service_cidr=config.service_cidr,
        node_port_range=config.node_port_range,
        advertise_address=str(config.network().control_ip),
        advertise_port=API_PORT_INSIDE,
        token_keys=token_keys(paths.pki),
        ca_pem=(paths.pki / "ca.crt").read_text(encoding="ascii"),
        kubelet_tls=tls.client(paths.pki, "kubelet-client"),
        authorization_mode=config.authorization_mode,
        extensions=Extensions(components=components, paths=handlers, metrics=metrics, pages=pages),
        front_proxy=FrontProxy(
            f"{front}.crt", f"{front}.key", (paths.pki / "front-proxy-ca.crt").read_text(encoding="ascii")
        ),
    )


async def _run(wiring: Wiring) -> None:
    import fairlead.scheduler.loop
    from fairlead.api.kinds import built_in
    from fairlead.apiserver.model import component
    from fairlead.apiserver.server import ApiServer
    from fairlead.base.log import stderr_log
    from fairlead.base.tasks import run_all
    from fairlead.runtime.health import RunningWork
    from fairlead.runtime.queue import QueueMetrics
    from fairlead.runtime.typed import ApiClient
    from fairlead.runtime.writers import ignore_lost_connections
    from fairlead.scheduler.metrics import SchedulerMetrics

    ignore_lost_connections()
    trim_when_settled()
    config, paths = wiring.config, wiring.paths
    clock, rng = RealClock(), random.Random()
    ids = RandomIds(rng)
    scheme = built_in()
    managing, scheduling = RunningWork(), RunningWork()
    components = {"controller-manager": managing.check, "scheduler": scheduling.check}
    placing, queues = SchedulerMetrics(clock), QueueMetrics()
    counted = (placing.families, queues.families)
    settings = _settings(config, paths, components, {"fairlead": lambda request: maintain(request)}, counted)
    store = await open_store(config, paths)
    log = stderr_log("apiserver", clock=clock)
    server = ApiServer(store, scheme=scheme, settings=settings, clock=clock, rng=rng, ids=ids, log=log)

    maintain = _snapshots(wiring, server, store, settings, log)

    try:
        await server.start()
        await server.serve(wiring.sockets, tls.server(paths.pki, "apiserver", require_client=False))
        wiring.report_ready("api", f"API ready at https://127.0.0.1:{config.api_port}")
        addons = ApiClient(server.transport(component("system:fairlead:addons")))
        controllers = _controllers(wiring, server, scheme, settings.ca_pem, queues, clock=clock, rng=rng, log=log)
        own = ApiClient(server.transport(component("system:kube-scheduler")))
        scheduler = fairlead.scheduler.loop.run(own, clock=clock, rng=rng, metrics=placing, log=log.named("scheduler"))
        await run_all(
            managing.run(controllers),
            scheduling.run(scheduler),
            _add_settings(wiring, addons, log),
            _follow_nodes(wiring, addons, log),
        )
    finally:
        await server.stop()
        await store.close()


def _controllers(  # noqa: PLR0913 -- wires components up
    wiring: Wiring,
    server: ApiServer,
    scheme: Scheme,
    ca_pem: str,
    queues: QueueMetrics,
    *,
    clock: RealClock,
    rng: random.Random,
    log: Log,
) -> Coroutine[Any, Any, None]:
    """Returns the run of all controllers. Their modules are imported after the API is ready. The scheme is that of the
    server: it knows which kinds are in use, and the kinds of custom resources."""
    import fairlead.controllers
    import fairlead.controllers.certificates.signing.loop
    import fairlead.controllers.storage.provisioning.loop
    import fairlead.loadbalancer.loop
    from fairlead.apiserver.model import component, service_account
    from fairlead.controllers.storage.provisioning.directories import HostDirectories
    from fairlead.loadbalancer.pool import problem
    from fairlead.runtime.typed import ApiClient

    config, paths = wiring.config, wiring.paths
    return fairlead.controllers.run(
        ApiClient(server.transport(component("system:kube-controller-manager"))),
        client_of=lambda name: ApiClient(server.transport(service_account("kube-system", name))),
        scheme=scheme,
        clock=clock,
        rng=rng,
        ids=RandomIds(rng),
        ca_pem=ca_pem,
        settings=fairlead.controllers.Settings(
            pod_ranges=config.network().node_ranges, log=log.named("controllers"), queues=queues
        ),
        also=(
            partial(
                fairlead.loadbalancer.loop.controller,
                pool=config.pool(),
                problem=partial(problem, network=config.network()),
            ),
            partial(
                fairlead.controllers.certificates.signing.loop.controller,
                read_authority=partial(_authority, paths.pki),
            ),
            partial(
                fairlead.controllers.storage.provisioning.loop.controller,
                directories=HostDirectories(str(paths.volumes)),
            ),
        ),
    )


def _authority(pki: Path) -> AuthorityFiles:
    from fairlead.controllers.certificates.signing.authority import AuthorityFiles

    return AuthorityFiles((pki / "ca.crt").read_bytes(), (pki / "ca.key").read_bytes())


def _snapshots(wiring: Wiring, server: ApiServer, store: Store, settings: ApiSettings, log: Log) -> PathHandler:
    """Returns the handler of resets and snapshots, whose modules are imported at the first request."""
    made: list[Snapshots] = []
    if wiring.paths.paused.exists():
        from fairlead.cmd.wiring.snapshots.pausing import continue_left

        continue_left(wiring.paths.paused)

    async def handle(request: Request) -> Response:
        if not made:
            from fairlead.cmd.wiring.snapshots.service import Snapshots

            made.append(
                Snapshots(
                    server,
                    store,
                    settings=settings,
                    config=wiring.config,
                    paths=wiring.paths,
                    started=wiring.started,
                    clock=RealClock(),
                    rng=random.Random(),
                    log=log.named("snapshots"),
                )
            )
        return await made[0].handle(request)

    return handle


async def _add_settings(wiring: Wiring, client: Client, log: Log) -> None:
    import fairlead.proxy.settings.addon

    mode = wiring.config.proxy_mode or None
    await fairlead.proxy.settings.addon.apply(client, mode=mode, start=f"{wiring.started:.3f}", log=log.named("addons"))


async def _follow_nodes(wiring: Wiring, client: Client, log: Log) -> None:
    from fairlead.base.tasks import run_all
    from fairlead.cmd.wiring import domain, membership

    count = wiring.config.nodes
    await membership.follow(
        client,
        wiring.config.node_names,
        since=wiring.started,
        all_ready=lambda: wiring.report_ready("nodes", f"{count} node{'s' if count > 1 else ''} Ready"),
        log=log.named("membership"),
    )
    # What follows comes after the report that nodes are Ready: the start does not wait for it.
    addons = log.named("addons")
    await run_all(
        _add_dns(client, wiring.config, addons),
        domain.follow(client, wiring.paths.domain, log=addons),
        _add_storage_class(client, addons),
    )


async def _add_storage_class(client: Client, log: Log) -> None:
    import fairlead.controllers.storage.standardclass

    await fairlead.controllers.storage.standardclass.apply(client, log=log)


async def _add_dns(client: Client, config: ClusterConfig, log: Log) -> None:
    import fairlead.dns.program.addon
    from fairlead.api.meta.columns import join_host_port

    outside = join_host_port(str(config.network().control_ip), 53)
    await fairlead.dns.program.addon.apply(client, addresses=config.dns_ips, outside=outside, log=log)

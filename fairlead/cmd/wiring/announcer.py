"""The standalone announcer: makes load balancers' addresses answer on the network of a real machine while it runs.

Each machine runs one announcer beside its proxy; together they ensure that one machine answers for each address. The
announcer talks to the API server of any cluster with Fairlead's load-balancer controller, and to the other machines by
frames on the link.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.base.output import guard_output
from fairlead.cmd.cluster.paths import paths_of
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.cmd.wiring.access import Access, in_pod, read_kubeconfig

if TYPE_CHECKING:
    from fairlead.base.log import Log
    from fairlead.loadbalancer.announcer.plan import Link
    from fairlead.runtime.client import Client

_RETRY_S = 1.0
_GROUP_DIGITS = 12


def announce(name: str, kubeconfig: str, interface: str, node_name: str) -> int:
    """Runs until SIGTERM or SIGINT. Other machines take its addresses over within seconds."""
    if os.geteuid() != 0:
        raise UsageError("announce needs root, because it adds addresses to this machine")
    if not interface:
        raise UsageError(f"announce needs --interface LINK, one of {', '.join(_links())}")
    link = _link(interface)
    access = _access(name, kubeconfig)
    from fairlead.base.clock import RealClock
    from fairlead.base.log import stderr_log

    node = node_name or socket.gethostname().lower()
    log = stderr_log("announcer", clock=RealClock())
    asyncio.run(_until_asked(access, interface, node, link, log))
    return 0


def _access(name: str, kubeconfig: str) -> Access:
    """Returns the access of `kubeconfig`, or else of this Pod, or else of a cluster on this machine."""
    if kubeconfig:
        return read_kubeconfig(Path(kubeconfig))
    own = paths_of(name).kubeconfig
    access = in_pod(os.environ) or (read_kubeconfig(own) if own.exists() else None)
    if access is None:
        raise UsageError(f'announce: this machine has no cluster "{name}"; for another cluster: --kubeconfig FILE')
    return access


def _link(interface: str) -> Link:
    from fairlead.loadbalancer.announcer.run import read_link

    if interface not in (names := _links()):
        raise UsageError(f'--interface: this machine has no "{interface}"; it has {", ".join(names)}')
    link = read_link(interface)
    if not link.networks:
        raise CommandError(f"--interface: {interface} has no address; give it one of the network to announce on")
    return link


def _links() -> list[str]:
    return [name for _, name in socket.if_nameindex()]


async def _until_asked(access: Access, interface: str, name: str, link: Link, log: Log) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await _run(access, interface, name, link, log)
    except asyncio.CancelledError:
        log.info("stopping")


async def _run(access: Access, interface: str, name: str, link: Link, log: Log) -> None:
    from fairlead.base.tasks import run_all
    from fairlead.loadbalancer.announcer.loop import run
    from fairlead.loadbalancer.announcer.run import Leg
    from fairlead.runtime.informer import InformerSet
    from fairlead.runtime.typed import ApiClient

    guard_output()
    client = ApiClient(access.transport(agent="fairlead-announce"))
    leg = Leg(interface, await _group(client, log))
    log.info("listening", interface=interface, node=name, networks=",".join(map(str, link.networks or ())))
    informers = InformerSet(client, log=log)
    announcer = run(informers, node_name=name, segment=leg, link=link, log=log)
    await run_all(announcer, informers.run())


async def _group(client: Client, log: Log) -> str:
    """Returns the mark that distinguishes clusters on one network. Waits for the API server. Raises CommandError."""
    from fairlead.api.core.namespace.kind import NAMESPACE
    from fairlead.machinery.values.status import StatusError

    while True:
        try:
            uid = (await client.get(NAMESPACE, "kube-system")).metadata.uid
            return str(uid).replace("-", "")[:_GROUP_DIGITS]
        except StatusError as e:
            raise CommandError(f"announce: the API server does not show the namespace kube-system: {e}") from e
        except ConnectionError as e:
            log.warn("the API server does not answer", error=e)
            await asyncio.sleep(_RETRY_S)

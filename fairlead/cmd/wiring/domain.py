"""The cluster's domain, from the settings of DNS to who writes resolv.confs: agents for new Pods, and `fairlead shell`.

It is a setting of nodes (upstream: the kubelet's `clusterDomain`), so it reaches them by a file in the cluster's
directory, which outlives a stop: Pods that start before the API server does know it too. Settings that DNS refuses
change nothing here either. Rejected: a watch of each node's own, a connection and 0.1 MB each, for what changes once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.cmd.cluster.paths import read_domain
from fairlead.dns.config import BadConfig, parse_config

if TYPE_CHECKING:
    from fairlead.api.core.configmap.kind import ConfigMap
    from fairlead.base.log import Log
    from fairlead.runtime.client import Client


async def follow(client: Client, path: Path, *, log: Log) -> None:
    """Keeps the file true, for ever."""
    from fairlead.api.core.configmap.kind import CONFIG_MAP
    from fairlead.dns.addon import NAME, NAMESPACE
    from fairlead.runtime.informer import InformerSet

    informers = InformerSet(client, log=log)

    def changed(key: str, _: ConfigMap | None, new: ConfigMap | None) -> None:
        if key == f"{NAMESPACE}/{NAME}":
            take(path, new.data if new is not None else {}, log)

    informers.of(CONFIG_MAP, fields=f"metadata.name={NAME}").add_handler(changed)
    await informers.run()


def take(path: Path, data: dict[str, str], log: Log) -> None:
    """`data` is the settings' own; where they are refused nothing happens."""
    try:
        domain = parse_config(data).domain
    except BadConfig:
        return  # DNS says so, and goes on with what it had
    if domain != read_domain(path):
        temporary = path.with_name(f".{path.name}")
        try:
            temporary.write_text(domain + "\n", encoding="ascii")
            temporary.rename(path)
        except OSError as error:  # a full disk must not end the API server
            log.warn("cannot tell nodes the cluster's domain", domain=domain, error=str(error))
        else:
            log.info("cluster domain", domain=domain)

"""Copies the cluster's domain from the settings of DNS to a file, for agents and `fairlead shell`.

Agents and `fairlead shell` write it into resolv.conf. The domain is a setting of nodes (upstream: the kubelet's
`clusterDomain`). The file in the cluster's directory outlives a stop, so Pods that start before the API server get the
domain too. If DNS refuses the settings, the file stays unchanged. Rejected: a watch on each node, which costs a
connection and 0.1 MB per node, for a value that rarely changes.
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
    """Updates the file whenever the settings change. Runs until cancelled."""
    from fairlead.api.core.configmap.kind import CONFIG_MAP
    from fairlead.dns.program.addon import NAME, NAMESPACE
    from fairlead.runtime.informer import InformerSet

    informers = InformerSet(client, log=log)

    def changed(key: str, _: ConfigMap | None, new: ConfigMap | None) -> None:
        if key == f"{NAMESPACE}/{NAME}":
            update(path, new.data if new is not None else {}, log)

    informers.of(CONFIG_MAP, fields=f"metadata.namespace={NAMESPACE},metadata.name={NAME}").add_handler(changed)
    await informers.run()


def update(path: Path, data: dict[str, str], log: Log) -> None:
    """Writes the domain of the settings `data` to the file. Invalid settings change nothing."""
    try:
        domain = parse_config(data).domain
    except BadConfig:
        return  # DNS reports the error, and keeps its settings
    if domain != read_domain(path):
        temporary = path.with_name(f".{path.name}")
        try:
            temporary.write_text(domain + "\n", encoding="ascii")
            temporary.rename(path)
        except OSError as error:  # a full disk must not end the API server
            log.warn("cannot write the cluster's domain for nodes", domain=domain, error=str(error))
        else:
            log.info("cluster domain", domain=domain)

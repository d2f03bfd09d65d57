"""Opens the store of a cluster's settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.paths import Paths

if TYPE_CHECKING:
    from fairlead.store.model import Store


async def open_store(config: ClusterConfig, paths: Paths) -> Store:
    """Returns the opened store. Raises StoreError. gRPC and the stubs of etcd are imported only for an etcd store."""
    address = config.etcd
    if address is None:
        from fairlead.store.sqlite import SqliteStore

        return SqliteStore.open(paths.store)
    from fairlead.store.etcd.members import Certificates, Target
    from fairlead.store.etcd.store import EtcdStore

    targets = [
        Target(f"unix:{paths.etcd_socket(i)}", server_name=member.host if address.tls else "", label=str(member))
        for i, member in enumerate(address.members)
    ]
    files = config.etcd_files
    certificates = Certificates(_read(files.cafile), _read(files.certfile), _read(files.keyfile))
    return await EtcdStore.open(targets, certificates if address.tls else None)


def _read(path: str) -> bytes | None:
    return Path(path).read_bytes() if path else None

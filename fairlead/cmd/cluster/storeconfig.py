"""The store of a cluster in its settings: `sqlite`, or an etcd with its certificates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.base.dataclass import dataclass
from fairlead.cmd.errors import CommandError, UsageError

if TYPE_CHECKING:
    from fairlead.store.etcd.address import EtcdAddress

SQLITE = "sqlite"
_FILES = ("cafile", "certfile", "keyfile")


@dataclass(frozen=True, slots=True)
class EtcdFiles:
    """Paths of PEM files, named as upstream's flags (`--etcd-cafile` ...); empty if not given."""

    cafile: str = ""
    certfile: str = ""
    keyfile: str = ""


def parse_store(text: str) -> EtcdAddress | None:
    """Returns the address of an etcd, or None for SQLite. Raises UsageError."""
    if text == SQLITE:
        return None
    from fairlead.store.etcd.address import AddressError, parse

    try:
        return parse(text)
    except AddressError as e:
        raise UsageError(f"--store: {e}, or {SQLITE}") from e


def check_store(text: str, files: EtcdFiles) -> None:
    """Raises UsageError or CommandError if the store cannot be used as it is described."""
    address = parse_store(text)
    given = [f"--etcd-{name}" for name in _FILES if getattr(files, name)]
    if given and (address is None or not address.tls):
        raise UsageError(f"{given[0]} needs --store etcd+https://...")
    if bool(files.certfile) != bool(files.keyfile):
        raise UsageError("--etcd-certfile and --etcd-keyfile go together: set both")
    for name in _FILES:
        path = getattr(files, name)
        if path and not Path(path).is_file():
            raise UsageError(f"--etcd-{name} {path}: no such file")
    if address is None:
        return
    import importlib.util

    if importlib.util.find_spec("aetcd") is None:
        raise CommandError("packages for the etcd store are missing: pip install 'fairlead[etcd]'")

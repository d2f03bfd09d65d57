"""The addresses of the members of an etcd cluster, as `--store` names them: `etcd+https://10.0.0.1:2379,10.0.0.2:2379`."""

from __future__ import annotations

from urllib.parse import urlsplit

from fairlead.base.dataclass import dataclass

_SCHEMES = {"etcd+http": False, "etcd+https": True}
_DEFAULT_PORT = 2379


class AddressError(ValueError):
    """Invalid address of an etcd cluster; the message says why."""


@dataclass(frozen=True, slots=True)
class Member:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class EtcdAddress:
    members: tuple[Member, ...]
    tls: bool


def parse(text: str) -> EtcdAddress:
    """Returns the members in the order given. Raises AddressError."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise AddressError(f'invalid store "{text}": expected etcd+http://HOST:PORT[,HOST:PORT...] or etcd+https://...')
    members = tuple(_member(part, text) for part in rest.rstrip("/").split(","))
    if len(set(members)) != len(members):
        raise AddressError(f'invalid store "{text}": a member is named twice')
    return EtcdAddress(members, _SCHEMES[scheme])


def _member(part: str, text: str) -> Member:
    try:
        split = urlsplit(f"//{part}")
        host, port = split.hostname, split.port
    except ValueError as e:
        raise AddressError(f'invalid store "{text}": member "{part}": {e}') from e
    if not host or split.path or split.query or split.fragment or split.username is not None:
        raise AddressError(f'invalid store "{text}": member "{part}": expected HOST or HOST:PORT')
    return Member(host, _DEFAULT_PORT if port is None else port)

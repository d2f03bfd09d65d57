"""The Services that hold each address, and the rules of sharing. Pure.

A Service holds the addresses in its status, so allocations survive a restart. If two Services that cannot share
hold the same address (one of them was changed), the older one keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fairlead.api.core.service.kind import Service
from fairlead.base.dataclass import dataclass
from fairlead.base.keys import key_of
from fairlead.service.frontends import keeps_external_traffic
from fairlead.service.wellknown import SHARED_IP_ANNOTATION

_Selector = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Holder:
    """The properties of a Service that decide about sharing an address."""

    key: str
    age: tuple[str, str]
    """Sorts older ones first."""
    ports: frozenset[tuple[str, int]]
    sharing: str
    local: tuple[str, _Selector] | None
    """Namespace and selector if externalTrafficPolicy is Local: these Pods decide which nodes may announce the
    address."""


Allocations = Mapping[str, Mapping[str, Holder]]
"""Address -> key of a Service -> its properties."""


def holder_of(service: Service) -> Holder:
    meta, spec = service.metadata, service.spec
    local = (meta.namespace, tuple(sorted(spec.selector.items()))) if keeps_external_traffic(service) else None
    return Holder(
        key=key_of(meta),
        age=(meta.creationTimestamp or "", meta.uid),
        ports=frozenset((port.protocol or "TCP", port.port) for port in spec.ports),
        sharing=meta.annotations.get(SHARED_IP_ANNOTATION, ""),
        local=local,
    )


def conflict(one: Holder, other: Holder) -> str:
    """Returns why the two cannot share an address; empty if they can."""
    if not one.sharing or one.sharing != other.sharing:
        return f"both need the annotation {SHARED_IP_ANNOTATION} with the same value to share it"
    if both := sorted(one.ports & other.ports):
        protocol, port = both[0]
        return f"both use port {port}/{protocol}, and only different ports can share it"
    if one.local != other.local:
        return "externalTrafficPolicy Local can share it only with the same policy and the same selector"
    return ""


def conflicts(
    address: str, by: Holder, allocations: Allocations, *, older_only: bool = False
) -> Iterator[tuple[str, str]]:
    """Yields the keys of the Services that prevent `by` from having the address, with the reasons."""
    others = allocations.get(address, {})
    for key in sorted(others):
        other = others[key]
        if key != by.key and not (older_only and by.age < other.age) and (why := conflict(by, other)):
            yield key, why

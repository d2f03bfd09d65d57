"""The address families of a Service and of its Pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.api.core.service.types import Service
from fairlead.base.addresses import family_of

if TYPE_CHECKING:
    from fairlead.api.core.pod.types import Pod


def families_of(service: Service) -> tuple[str, ...]:
    """Returns the address families that the Service's endpoints have, the first one first."""
    if service.spec.ipFamilies:
        return tuple(dict.fromkeys(service.spec.ipFamilies))
    # The server fills them in; an object that never passed it is judged by its address.
    return (family_of(service.spec.clusterIP),)


def address_of(pod: Pod, family: str) -> str:
    """Returns the Pod's address in a family; empty if it has none."""
    for ip in [entry.ip for entry in pod.status.podIPs] or [pod.status.podIP]:
        if ip and family_of(ip) == family:
            return ip
    return ""

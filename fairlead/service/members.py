"""Membership in a Service: slices by label, Pods by selector; and whether nodes carry its traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.api.core.pod.predicates import is_finished, is_ready
from fairlead.api.core.service.predicates import is_external_name, is_headless
from fairlead.api.core.service.types import Service
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.base.keys import join_key
from fairlead.service.decisions import is_published
from fairlead.service.wellknown import HEADLESS_LABEL, PROXY_NAME_LABEL, SERVICE_NAME_LABEL

if TYPE_CHECKING:
    from fairlead.api.core.pod.types import Pod


def service_of(piece: EndpointSlice) -> str:
    """Returns the `namespace/name` of the slice's Service; empty if it names none."""
    name = piece.metadata.labels.get(SERVICE_NAME_LABEL)
    return join_key(piece.metadata.namespace, name) if name else ""


def is_proxied(obj: Service | EndpointSlice) -> bool:
    """Returns whether nodes carry the traffic of a Service or slice: upstream's proxy watches no others."""
    return HEADLESS_LABEL not in obj.metadata.labels and PROXY_NAME_LABEL not in obj.metadata.labels


def has_cluster_ip(service: Service) -> bool:
    """Returns whether the Service has a cluster IP: it is neither headless nor an alias."""
    spec = service.spec
    return not is_external_name(spec) and bool(spec.clusterIP) and not is_headless(spec)


def selects_pods(service: Service) -> bool:
    return not is_external_name(service.spec) and bool(service.spec.selector)


def has_endpoint(pod: Pod) -> bool:
    """Returns whether anything can be sent to the Pod: it has an address and has not finished."""
    return bool(pod.status.podIP or pod.status.podIPs) and not is_finished(pod)


def counts_as_ready(pod: Pod, service: Service) -> bool:
    """Returns whether the Pod is ready by its probes, or the Service takes those that are not."""
    return is_published(is_ready(pod), not_ready_too=service.spec.publishNotReadyAddresses)


def hostname_of(pod: Pod, service: Service) -> str:
    """Returns the Pod's own name below the Service's; empty if the Pod does not ask for one."""
    if pod.spec.hostname and pod.spec.subdomain == service.metadata.name:
        return pod.spec.hostname
    return ""

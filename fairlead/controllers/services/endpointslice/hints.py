"""Whom an endpoint is meant for.

By the Service's `trafficDistribution` a hint follows from the endpoint alone, so a change of one pod still changes
one slice. By the older annotation `service.kubernetes.io/topology-mode: Auto`, which wins where both are given, each
zone is to get endpoints by its share of the nodes' CPUs: a pod more may move hints elsewhere. Endpoints keep their
own zone as far as that goes, and where it does not go at all nobody gets a hint, as upstream does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from fairlead.api.core.node.kind import Node
from fairlead.api.core.service.kind import Service
from fairlead.api.core.service.predicates import TOPOLOGY_HINTS, TOPOLOGY_MODE
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointHints, ForNode, ForZone
from fairlead.machinery.quantity import parse_quantity
from fairlead.service.wellknown import ZONE_LABEL

_MODES = (TOPOLOGY_MODE, TOPOLOGY_HINTS)
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_BY_ZONE = ("PreferClose", "PreferSameZone", "PreferSameNode")
_BY_NODE = "PreferSameNode"
_OVERLOAD = 1.2
"""A zone may get a fifth more load than its share before hints are given up."""


def is_automatic(service: Service) -> bool:
    """Whether the annotation asks for hints by the nodes' CPUs."""
    return any(service.metadata.annotations.get(name) in ("Auto", "auto") for name in _MODES)


def distributed(distribution: str | None, endpoint: Endpoint) -> EndpointHints | None:
    """The hints of a ready endpoint; None where there is nothing to say."""
    if distribution not in _BY_ZONE or not endpoint.conditions.ready:
        return None
    zones = [ForZone(name=endpoint.zone)] if endpoint.zone else []
    nodes = [ForNode(name=endpoint.nodeName)] if endpoint.nodeName and distribution == _BY_NODE else []
    return EndpointHints(forZones=zones, forNodes=nodes) if zones or nodes else None


def shares_of(nodes: Iterable[Node]) -> dict[str, float]:
    """Each zone's share of the CPUs; none where a node does not say its zone, or there is but one zone."""
    cpus: dict[str, float] = {}
    for node in nodes:
        labels = node.metadata.labels
        ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
        if not ready or any(name in labels for name in _CONTROL_PLANE):
            continue
        cpu = float(parse_quantity(str(node.status.allocatable.get("cpu", "0"))))
        if not cpu or not labels.get(ZONE_LABEL):
            return {}
        cpus[labels[ZONE_LABEL]] = cpus.get(labels[ZONE_LABEL], 0.0) + cpu
    total = sum(cpus.values())
    return {zone: cpus[zone] / total for zone in sorted(cpus)} if len(cpus) > 1 else {}


def hint_by_shares(endpoints: Sequence[Endpoint], shares: Mapping[str, float]) -> bool:
    """Writes hints into the ready ones of these endpoints, all of one family; False where there can be none."""
    ready = [e for e in endpoints if e.conditions.ready]
    least = {zone: math.ceil(share * len(ready) / _OVERLOAD) for zone, share in shares.items()}
    if not shares or len(shares) > len(ready) or sum(least.values()) > len(ready):
        return False
    if any(e.zone not in shares for e in ready):
        return False
    of_zone: dict[str, list[Endpoint]] = {zone: [] for zone in shares}
    for endpoint in ready:
        of_zone[endpoint.zone or ""].append(endpoint)
    for zone in shares:
        while len(of_zone[zone]) < least[zone]:
            able = (z for z in shares if len(of_zone[z]) > least[z])
            giver = max(able, key=lambda z: (len(of_zone[z]) - max(shares[z] * len(ready), 1.0), z))
            of_zone[zone].append(of_zone[giver].pop())
    for zone, found in of_zone.items():
        for endpoint in found:
            endpoint.hints = EndpointHints(forZones=[ForZone(name=zone)])
    return True

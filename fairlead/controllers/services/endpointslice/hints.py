"""Topology hints: the zones and nodes that should use an endpoint.

With the Service's `trafficDistribution` a hint follows from the endpoint alone, so a change of one pod changes one
slice. With the older annotation `service.kubernetes.io/topology-mode: Auto`, each zone gets endpoints by its share of
the nodes' CPUs, so that a further pod may move other hints. The annotation wins if both are given. Endpoints keep their
zone as far as possible; if the shares cannot be met, no endpoint gets a hint, as upstream does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from fairlead.api.core.node.kind import Node
from fairlead.api.core.service.kind import Service
from fairlead.api.core.service.predicates import TOPOLOGY_HINTS, TOPOLOGY_MODE
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointHints, ForNode, ForZone
from fairlead.machinery.values.quantity import parse_quantity
from fairlead.service.wellknown import ZONE_LABEL

_MODES = (TOPOLOGY_MODE, TOPOLOGY_HINTS)
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_BY_ZONE = ("PreferClose", "PreferSameZone", "PreferSameNode")
_BY_NODE = "PreferSameNode"
_OVERLOAD = 1.2
"""The load that a zone may get, relative to its share; above it hints are given up."""


def is_automatic(service: Service) -> bool:
    """Returns whether the annotation asks for hints by the nodes' CPUs."""
    return any(service.metadata.annotations.get(name) in ("Auto", "auto") for name in _MODES)


def distributed(distribution: str | None, endpoint: Endpoint) -> EndpointHints | None:
    """Returns the hints of a ready endpoint; None if it gets none."""
    if distribution not in _BY_ZONE or not endpoint.conditions.ready:
        return None
    zones = [ForZone(name=endpoint.zone)] if endpoint.zone else []
    nodes = [ForNode(name=endpoint.nodeName)] if endpoint.nodeName and distribution == _BY_NODE else []
    return EndpointHints(forZones=zones, forNodes=nodes) if zones or nodes else None


def shares_of(nodes: Iterable[Node]) -> dict[str, float]:
    """Returns each zone's share of the CPUs; empty if a node lacks the zone label, or if there is only one zone."""
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
    """Writes hints into the ready ones of these endpoints, all of one family; returns False if that is not possible."""
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
            donor = max(able, key=lambda z: (len(of_zone[z]) - max(shares[z] * len(ready), 1.0), z))
            of_zone[zone].append(of_zone[donor].pop())
    for zone, members in of_zone.items():
        for endpoint in members:
            endpoint.hints = EndpointHints(forZones=[ForZone(name=zone)])
    return True

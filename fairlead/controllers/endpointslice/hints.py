"""Whom an endpoint is meant for, by the Service's `trafficDistribution`.

A hint follows from the endpoint alone, so a change of one pod still changes one slice. The proportional hints of
the annotation `service.kubernetes.io/topology-mode: Auto` do not: a pod more may move every hint. They are left
out; upstream has deprecated them in favour of `trafficDistribution`.
"""

from __future__ import annotations

from fairlead.api.endpointslice import Endpoint, EndpointHints, ForNode, ForZone

_BY_ZONE = ("PreferClose", "PreferSameZone", "PreferSameNode")
_BY_NODE = "PreferSameNode"


def distributed(distribution: str | None, endpoint: Endpoint) -> EndpointHints | None:
    """The hints of a ready endpoint; None where there is nothing to say."""
    if distribution not in _BY_ZONE or not endpoint.conditions.ready:
        return None
    zones = [ForZone(name=endpoint.zone)] if endpoint.zone else []
    nodes = [ForNode(name=endpoint.nodeName)] if endpoint.nodeName and distribution == _BY_NODE else []
    return EndpointHints(forZones=zones, forNodes=nodes) if zones or nodes else None

"""Decides which of a node's Pods get new connections, and which other nodes to ask. Pure."""

from __future__ import annotations

from fairlead.api.core.node.kind import Node
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.service.decisions import is_ready
from fairlead.service.wellknown import MANAGED_BY_LABEL

_CONTROLLER = "endpointslice-controller.k8s.io"
_KUBELET_PORT = 10250


def routed(piece: EndpointSlice, node_name: str) -> frozenset[str]:
    """Returns the uids of the node's Pods to which the slice sends new connections.

    Endpoints written by other clients do not count: they do not follow the Pod. A terminating endpoint counts as
    removed: proxies use it only if there is no other.
    """
    if piece.metadata.labels.get(MANAGED_BY_LABEL) != _CONTROLLER:
        return frozenset()
    return frozenset(
        endpoint.targetRef.uid
        for endpoint in piece.endpoints
        if endpoint.nodeName == node_name
        and endpoint.targetRef is not None
        and is_ready(endpoint.conditions.ready)
        and not endpoint.conditions.terminating
    )


def agent_address(node: Node) -> str:
    """Returns the address and port of the node's agent; empty for a node that is not ready: a stopped agent applies
    nothing."""
    ready = next((c.status for c in node.status.conditions if c.type == "Ready"), "")
    address = next((a.address for a in node.status.addresses if a.type == "InternalIP"), "")
    if ready != "True" or not address:
        return ""
    port = node.status.daemonEndpoints.kubeletEndpoint.Port or _KUBELET_PORT
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

"""Decides the Pod ranges of one Node.

Ranges are taken from the end: those at the beginning belong to the nodes that `fairlead up --nodes` may still add.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fairlead.api.core.node.kind import NODE, Node
from fairlead.runtime.plan import NOTHING, EventRecord, Patch, Plan


def reconcile(node: Node, others: Iterable[Node], ranges: Sequence[Sequence[str]]) -> Plan:
    """Returns the plan for the Node. `ranges` are those that a Node can have, one of each family."""
    if node.spec.podCIDR or node.spec.podCIDRs or node.metadata.deletionTimestamp:
        return NOTHING
    taken = {cidr for other in others for cidr in (other.spec.podCIDR, *other.spec.podCIDRs)}
    free = next((one for one in reversed(ranges) if taken.isdisjoint(one)), None)
    name = node.metadata.name
    if free is None:
        text = f"Node {name} status is now: CIDRNotAvailable"
        return Plan(events=(EventRecord(node, "CIDRNotAvailable", text),))
    meta = {"resourceVersion": node.metadata.resourceVersion}
    spec = {"podCIDR": free[0], "podCIDRs": list(free)}
    return Plan(patch=(Patch(NODE, name, "", {"metadata": meta, "spec": spec}),))

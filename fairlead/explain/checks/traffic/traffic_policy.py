"""Traffic policy Local: nodes without a local endpoint drop the connection."""

from __future__ import annotations

from fairlead.api.core.service.predicates import is_external_name, is_load_balancer, may_have_node_ports
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault, note, ok
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.words import listed


def find(s: Snapshot) -> Finding | None:
    spec = s.found.spec
    internal = spec.internalTrafficPolicy == "Local" and not is_external_name(spec)
    external = spec.externalTrafficPolicy == "Local" and may_have_node_ports(spec)
    if not (internal or external):
        return None
    field = "internalTrafficPolicy" if internal else "externalTrafficPolicy"
    looked_at = text("{field} Local and the nodes of the endpoints", field=field)
    serving = {endpoint.nodeName for endpoint in s.serving}
    lacking = sorted(node.metadata.name for node in s.nodes if node.metadata.name not in serving)
    if not serving or not lacking:
        return ok(looked_at)
    nodes = ", ".join(lacking)
    cause = (
        text(
            "{field} Local: clients on {nodes} reach no endpoint, because no Pod of the Service is there",
            field=field,
            nodes=nodes,
        )
        if internal
        else text(
            "{field} Local: connections to {nodes} reach no endpoint, because no Pod of the Service is there",
            field=field,
            nodes=nodes,
        )
    )
    places = [name or text("no node") for name in sorted(one or "" for one in serving)]
    evidence = text("endpoints are on {names}", names=listed(places))
    cure = s.kubectl(f'patch svc {s.name} -p \'{{"spec":{{"{field}":"Cluster"}}}}\'')
    if is_load_balancer(spec) and not internal:
        return note(looked_at, text("{cause} (the load balancer avoids these nodes)", cause=cause), evidence, cure=cure)
    return fault(looked_at, cause, evidence, cure=cure)

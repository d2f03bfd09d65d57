"""Type LoadBalancer: has a load balancer assigned an address?"""

from __future__ import annotations

from fairlead.api.core.service.predicates import is_load_balancer
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault, ok
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.words import joined, then
from fairlead.service.wellknown import LOAD_BALANCER_CLASS


def find(s: Snapshot) -> Finding | None:
    spec = s.found.spec
    if not is_load_balancer(spec):
        return None
    looked_at = text("address of the load balancer")
    points = s.found.status.loadBalancer.ingress
    if points:
        return ok(
            text(
                "{looked_at}: {names}",
                looked_at=looked_at,
                names=", ".join(point.ip or point.hostname for point in points),
            )
        )
    if spec.loadBalancerClass not in (None, "", LOAD_BALANCER_CLASS):
        return fault(
            looked_at,
            text(
                "the load balancer's address is pending: nothing serves loadBalancerClass {given}",
                given=spec.loadBalancerClass,
            ),
            text(
                "this cluster serves {own} and Services without a class; the class cannot be changed",
                own=LOAD_BALANCER_CLASS,
            ),
            cure=then(s.kubectl(f"delete svc {s.name}"), text("then create it again without loadBalancerClass")),
        )
    events = [e for e in s.events_of("Service", s.name) if e.type == "Warning"]
    evidence = (
        (text("event {reason}: {message}", reason=events[0].reason, message=events[0].message),) if events else ()
    )
    return fault(
        looked_at,
        joined(
            text("the load balancer's address is pending"),
            (text(": {message}", message=events[0].message) if events else ""),
        ),
        *evidence,
        cure=s.kubectl(f"describe svc {s.name}"),
    )

"""Type LoadBalancer: has a load balancer assigned an address?"""

from __future__ import annotations

from fairlead.explain.finding import Finding, fault, ok
from fairlead.explain.snapshot import Snapshot
from fairlead.service.wellknown import LOAD_BALANCER_CLASS


def find(s: Snapshot) -> Finding | None:
    spec = s.found.spec
    if spec.type != "LoadBalancer":
        return None
    looked_at = "address of the load balancer"
    points = s.found.status.loadBalancer.ingress
    if points:
        return ok(f"{looked_at}: {', '.join(point.ip or point.hostname for point in points)}")
    if spec.loadBalancerClass not in (None, "", LOAD_BALANCER_CLASS):
        return fault(
            looked_at,
            f"the load balancer's address is pending: nothing serves loadBalancerClass {spec.loadBalancerClass}",
            f"this cluster serves {LOAD_BALANCER_CLASS} and Services without a class; the class cannot be changed",
            cure=s.kubectl(f"delete svc {s.name}") + "  # then create it again without loadBalancerClass",
        )
    events = [e for e in s.events_of("Service", s.name) if e.type == "Warning"]
    evidence = (f"event {events[0].reason}: {events[0].message}",) if events else ()
    return fault(
        looked_at,
        "the load balancer's address is pending" + (f": {events[0].message}" if events else ""),
        *evidence,
        cure=s.kubectl(f"describe svc {s.name}"),
    )

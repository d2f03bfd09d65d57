"""The checks, one a module, in the order of a connection's path. `CHECKS` declares each of them.

A check returns None if it does not concern the Service. A fault is claimed by one check only, that of its cause: the
checks of endpoints and Pods look at what their predecessors found in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fairlead.explain.checks import (
    affinity,
    cluster_dns,
    containers,
    external_name,
    headless_ports,
    listening,
    load_balancer,
    named_ports,
    network_policy,
    overlap,
    readiness,
    selector,
    service_exists,
    service_port,
    slices,
    source_ranges,
    terminating,
    traffic_policy,
)
from fairlead.explain.finding import Finding
from fairlead.explain.snapshot import Snapshot


class Check(NamedTuple):
    name: str
    stage: str
    """The part of the path: name, DNS, address, rules, endpoint, Pod or process."""
    find: Callable[[Snapshot], Finding | None]


CHECKS = (
    Check("service-exists", "name", service_exists.find),
    Check("cluster-dns", "DNS", cluster_dns.find),
    Check("external-name", "DNS", external_name.find),
    Check("service-port", "address", service_port.find),
    Check("headless-ports", "address", headless_ports.find),
    Check("load-balancer", "address", load_balancer.find),
    Check("source-ranges", "rules", source_ranges.find),
    Check("session-affinity", "rules", affinity.find),
    Check("traffic-policy", "rules", traffic_policy.find),
    Check("network-policy", "rules", network_policy.find),
    Check("selector", "endpoint", selector.find),
    Check("overlap", "endpoint", overlap.find),
    Check("named-ports", "endpoint", named_ports.find),
    Check("terminating", "endpoint", terminating.find),
    Check("containers", "Pod", containers.find),
    Check("readiness", "Pod", readiness.find),
    Check("slices", "endpoint", slices.find),
    Check("listening", "process", listening.find),
)

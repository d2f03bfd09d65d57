"""The checks, one a module of a wing, in the order of a connection's path. `CHECKS` declares each of them.

A check returns None if it does not concern the Service. A fault is claimed by one check only, that of its cause: the
checks of endpoints and Pods look at what their predecessors found in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fairlead.explain.checks import ingress_backends
from fairlead.explain.checks.addresses import headless_ports, host_port, load_balancer, service_port
from fairlead.explain.checks.endpoints import (
    answers,
    named_ports,
    overlap,
    pod_services,
    selector,
    slices,
    terminating,
)
from fairlead.explain.checks.names import cluster_dns, egress, external_name, lookup, object_exists, service_exists
from fairlead.explain.checks.pods import containers, jobs, listening, readiness, rollout
from fairlead.explain.checks.traffic import (
    affinity,
    app_protocol,
    connection,
    hairpin,
    network_policy,
    replies,
    rules,
    source_ranges,
    stale,
    topology,
    traffic_policy,
)
from fairlead.explain.finding import Finding
from fairlead.explain.snapshot import Snapshot


class Check(NamedTuple):
    name: str
    stage: str
    """The part of the path: name, DNS, address, rules, endpoint, Pod, process or connection."""
    find: Callable[[Snapshot], Finding | None]


CHECKS = (
    Check("service-exists", "name", service_exists.find),
    Check("cluster-dns", "DNS", cluster_dns.find),
    Check("lookup", "DNS", lookup.find),
    Check("external-name", "DNS", external_name.find),
    Check("egress", "DNS", egress.find),
    Check("service-port", "address", service_port.find),
    Check("headless-ports", "address", headless_ports.find),
    Check("load-balancer", "address", load_balancer.find),
    Check("host-port", "address", host_port.find),
    Check("source-ranges", "rules", source_ranges.find),
    Check("session-affinity", "rules", affinity.find),
    Check("traffic-policy", "rules", traffic_policy.find),
    Check("topology", "rules", topology.find),
    Check("stale-connections", "rules", stale.find),
    Check("network-policy", "rules", network_policy.find),
    Check("selector", "endpoint", selector.find),
    Check("overlap", "endpoint", overlap.find),
    Check("named-ports", "endpoint", named_ports.find),
    Check("terminating", "endpoint", terminating.find),
    Check("containers", "Pod", containers.find),
    Check("readiness", "Pod", readiness.find),
    Check("slices", "endpoint", slices.find),
    Check("endpoint-answers", "endpoint", answers.find),
    Check("listening", "process", listening.find),
    Check("hairpin", "connection", hairpin.find),
    Check("kernel-rules", "connection", rules.find),
    Check("connection", "connection", connection.find),
    Check("app-protocol", "connection", app_protocol.find),
    Check("requests", "connection", replies.find),
)

WORKLOAD_CHECKS = (
    Check("object-exists", "name", object_exists.find),
    Check("rollout", "workload", rollout.find),
    Check("containers", "Pod", containers.find),
    Check("readiness", "Pod", readiness.find),
    Check("services", "endpoint", pod_services.find),
)
"""The checks of Pods, Deployments, StatefulSets, DaemonSets and ReplicaSets."""

RUN_CHECKS = (
    Check("object-exists", "name", object_exists.find),
    Check("schedule", "workload", jobs.find_schedule),
    Check("job", "workload", jobs.find),
    Check("containers", "Pod", containers.find),
)
"""The checks of Jobs and CronJobs."""

INGRESS_CHECKS = (
    Check("object-exists", "name", object_exists.find),
    Check("ingress-class", "controller", ingress_backends.find_class),
    Check("ingress-backends", "endpoint", ingress_backends.find_backends),
)

_OTHERS = {"svc": CHECKS, "ingress": INGRESS_CHECKS, "job": RUN_CHECKS, "cronjob": RUN_CHECKS}


def checks_of(kind: str) -> tuple[Check, ...]:
    """Returns the checks of a kind of object, in the order of a connection's path."""
    return _OTHERS.get(kind, WORKLOAD_CHECKS)

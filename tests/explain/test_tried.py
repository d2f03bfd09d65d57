"""Checks of what was tried in the running cluster: connections, questions, rules, tracked connections."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.explain.diagnose import diagnose
from fairlead.explain.finding import Status
from fairlead.explain.reading import Observed, assemble, lists, observed_in
from fairlead.explain.tried import ANSWERED, REFUSED, SILENT, UNREACHABLE, Dial, Lookup, Route, Tried

Tree = dict[str, Any]
ADDRESS = "10.96.0.7"
NAME = "web.default.svc.cluster.local"


def service(**spec: Any) -> Tree:
    ports = [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    return {
        "metadata": {"name": "web", "namespace": "default", "annotations": spec.pop("annotations", {})},
        "spec": {"type": "ClusterIP", "clusterIP": ADDRESS, "clusterIPs": [ADDRESS], "ports": ports} | spec,
    }


def slice_of(address: str, **endpoint: Any) -> Tree:
    return {
        "metadata": {"name": "web-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}} | endpoint],
        "ports": [{"port": 80, "protocol": "TCP"}],
    }


def findings(observed: Observed, service: Tree, *slices: Tree) -> dict[str, tuple[Status, str]]:
    """Returns status and text of each check's finding, and of the verdict."""
    dns = {"metadata": {"name": "kube-dns", "namespace": "kube-system"}, "spec": {"clusterIP": "10.96.0.10"}}
    trees: dict[str, list[Tree]] = {key: [] for key in lists("web", "default")}
    trees |= {"services": [service], "slices": [*slices], "dns": [dns], "dns_slices": [slice_of("10.244.1.9")]}
    listed = {key: msgspec.json.encode({"items": items}) for key, items in trees.items()}
    diagnosis = diagnose(observed_in(assemble("web", "default", listed), observed))
    steps = {
        one.check.name: (one.finding.status, str(one.finding.cause or one.finding.looked_at)) for one in diagnosis.steps
    }
    return steps | {"verdict": (diagnosis.status, str(diagnosis.decisive.cause))}


def tried(**parts: Any) -> Observed:
    return Observed(tried=Tried("node1", **parts))


def dial(outcome: str, detail: str = "") -> Dial:
    return Dial("80/TCP", ADDRESS, 80, outcome, detail)


@pytest.mark.parametrize(
    ("outcome", "status", "text"),
    [
        (ANSWERED, Status.OK, f"a connection from node1 to {ADDRESS} port 80 was accepted"),
        (REFUSED, Status.FAULT, f"a connection from node1 to {ADDRESS} port 80 was refused"),
        (SILENT, Status.FAULT, f"a connection from node1 to {ADDRESS} port 80 got no answer"),
        (UNREACHABLE, Status.FAULT, f"a connection from node1 to {ADDRESS} port 80 could not be made (No route)"),
    ],
)
def test_a_connection_decides_if_no_other_check_does(outcome: str, status: Status, text: str) -> None:
    found = findings(tried(dials=(dial(outcome, "No route"),)), service(), slice_of("10.244.1.2"))
    assert found["connection"] == (status, text)
    assert found["verdict"] == (status, text if status is Status.FAULT else "")


def test_a_cause_on_the_way_wins_over_the_connection_that_failed() -> None:
    observed = tried(dials=(dial(REFUSED),), routes=(Route("80/TCP", ("100 % refused: no endpoint serves",), ()),))
    found = findings(observed, service(selector={"app": "web"}))
    assert found["verdict"][1].startswith("the selector app=web matches no Pod")


@pytest.mark.parametrize(
    ("route", "status", "text"),
    [
        (Route("80/TCP", (), ()), Status.OK, "rules in the kernel, for packets from node1: every end is an endpoint"),
        (
            Route("80/TCP", ("50% dropped: policy",), ()),
            Status.FAULT,
            "packets to port 80/TCP end without an endpoint: 50% dropped: policy",
        ),
        (
            Route("80/TCP", (), ("pod 10.0.0.1:80: 50.0% by the plan, 100.0% by the kernel's rules",)),
            Status.FAULT,
            "the kernel's rules for port 80/TCP are not those that the Service and its slices demand",
        ),
    ],
)
def test_rules_are_compared_with_what_the_objects_demand(route: Route, status: Status, text: str) -> None:
    found = findings(tried(routes=(route,)), service(), slice_of("10.244.1.2"))
    assert found["kernel-rules"] == (status, text)


@pytest.mark.parametrize(
    ("lookup", "status", "part"),
    [
        (Lookup(NAME, "10.96.0.10", ANSWERED, "NOERROR", (), (ADDRESS,)), Status.OK, ADDRESS),
        (Lookup(NAME, "10.96.0.10", SILENT), Status.FAULT, "DNS does not answer: 10.96.0.10 is silent from node1"),
        (Lookup(NAME, "10.96.0.10", ANSWERED, "NXDOMAIN"), Status.UNKNOWN, "DNS answers NXDOMAIN with no address"),
        (
            Lookup(NAME, "10.96.0.10", ANSWERED, "NOERROR", (), ("10.96.9.9",)),
            Status.UNKNOWN,
            f"with 10.96.9.9, and the Service has {ADDRESS}",
        ),
    ],
)
def test_the_answer_of_dns_is_compared_with_the_service(lookup: Lookup, status: Status, part: str) -> None:
    found = findings(tried(lookup=lookup), service(), slice_of("10.244.1.2"))["lookup"]
    assert found[0] is status
    assert part in found[1]


def test_an_alias_that_does_not_resolve_is_noted_with_its_target() -> None:
    away = service(type="ExternalName", externalName="db.example.org", clusterIP="", clusterIPs=[], ports=[])
    lookup = Lookup(NAME, "10.96.0.10", ANSWERED, "NXDOMAIN", ("db.example.org",), ())
    found = findings(Observed(tried=Tried("node1", (), lookup), egress=False), away)
    assert found["lookup"] == (
        Status.NOTE,
        "the name is an alias for db.example.org, which does not resolve here (NXDOMAIN)",
    )
    assert found["egress"][1].startswith("Pods cannot reach db.example.org: the cluster has no way out")
    assert "egress" not in findings(Observed(tried=Tried("node1", (), lookup), egress=True), away)


def test_udp_clients_of_endpoints_that_are_gone_are_named() -> None:
    udp = service(ports=[{"port": 53, "protocol": "UDP", "targetPort": 53}])
    observed = tried(stale=("10.244.1.5:4000 still sends to 10.244.1.3:53",))
    found = findings(observed, udp, slice_of("10.244.1.2"))
    assert found["stale-connections"][1].startswith("1 client still sending to an endpoint that is gone")


@pytest.mark.parametrize(
    ("urls", "status", "part"),
    [
        ("80/TCP=http://127.0.0.1:30080", Status.OK, "http://127.0.0.1:30080"),
        ("", Status.NOTE, "port 80/TCP is not open on this machine"),
    ],
)
def test_ports_of_this_machine_are_those_of_the_relay(urls: str, status: Status, part: str) -> None:
    published = service(type="NodePort", annotations={"fairlead.dev/host-urls": urls} if urls else {})
    found = findings(Observed(has_relay=True), published, slice_of("10.244.1.2"))["host-port"]
    assert (found[0], part in found[1]) == (status, True)


@pytest.mark.parametrize(
    ("spec", "hints", "part"),
    [
        ({"trafficDistribution": "PreferClose"}, None, "trafficDistribution PreferClose has no effect yet"),
        ({}, {"forZones": [{"name": "zone1"}]}, "clients prefer the endpoints of their own zone (zone1)"),
        ({}, None, ""),
    ],
)
def test_hints_and_distributions_are_noted(spec: Tree, hints: Tree | None, part: str) -> None:
    endpoint = {"hints": hints} if hints else {}
    found = findings(Observed(), service(**spec), slice_of("10.244.1.2", **endpoint))
    assert part in found.get("topology", (Status.OK, ""))[1]
    assert bool(part) == ("topology" in found)

"""Checks of what was tried in the running cluster: connections, questions, rules, tracked connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from fairlead.base.texts import Text, text
from fairlead.explain.diagnose import Diagnosis, diagnose
from fairlead.explain.finding import Status
from fairlead.explain.outcomes import ANSWERED, REFUSED, SILENT, UNREACHABLE
from fairlead.explain.reading import Observed, assemble, lists, observed_in
from fairlead.explain.tried import Dial, Lookup, Reply, Route, Tried
from fairlead.proxy.inspection.tracing import outcome_text
from tests.explain.english import english_in

Tree = dict[str, Any]
ADDRESS = "10.96.0.7"
DROPPED = Text("{share} {kind}", {"share": "50%", "kind": outcome_text("dropped")})
DIFFERENT = text("{outcome}: {planned} by the plan, {real} by the kernel's rules",
                 outcome=outcome_text("pod"), planned="50.0%", real="100.0%")  # fmt: skip
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


def diagnosed(observed: Observed, service: Tree, *slices: Tree, beside: Sequence[Tree] = ()) -> Diagnosis:
    dns = {"metadata": {"name": "kube-dns", "namespace": "kube-system"}, "spec": {"clusterIP": "10.96.0.10"}}
    trees: dict[str, list[Tree]] = {key: [] for key in lists("web", "default")}
    trees |= {"services": [service, *beside], "slices": [*slices], "dns": [dns], "dns_slices": [slice_of("10.244.1.9")]}
    listed = {key: msgspec.json.encode({"items": items}) for key, items in trees.items()}
    return diagnose(observed_in(assemble("web", "default", listed), observed))


def findings(observed: Observed, service: Tree, *slices: Tree) -> dict[str, tuple[Status, str]]:
    """Returns status and text of each check's finding, and of the verdict. None of them stays English in Korean."""
    diagnosis = diagnosed(observed, service, *slices)
    steps = {
        one.check.name: (one.finding.status, str(one.finding.cause or one.finding.looked_at)) for one in diagnosis.steps
    }
    assert list(english_in(diagnosis)) == []
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
        (
            UNREACHABLE,
            Status.FAULT,
            f"a connection from node1 to {ADDRESS} port 80 could not be made (No route to host)",
        ),
    ],
)
def test_a_connection_decides_if_no_other_check_does(outcome: str, status: Status, text: str) -> None:
    found = findings(tried(dials=(dial(outcome, "No route to host"),)), service(), slice_of("10.244.1.2"))
    assert found["connection"] == (status, text)
    assert found["verdict"] == (status, text if status is Status.FAULT else "")


def test_a_cause_on_the_way_wins_over_the_connection_that_failed() -> None:
    observed = tried(dials=(dial(REFUSED),), routes=(Route("80/TCP", (DROPPED,), ()),))
    found = findings(observed, service(selector={"app": "web"}))
    assert found["verdict"][1].startswith("the selector app=web matches no Pod")


@pytest.mark.parametrize(
    ("route", "status", "text"),
    [
        (Route("80/TCP", (), ()), Status.OK, "rules in the kernel, for packets from node1: every end is an endpoint"),
        (
            Route("80/TCP", (DROPPED,), ()),
            Status.FAULT,
            "packets to port 80/TCP end without an endpoint: 50% dropped",
        ),
        (
            Route("80/TCP", (), (DIFFERENT,)),
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


@pytest.mark.parametrize(
    ("target", "rcode", "status", "part"),
    [
        ("db.example.org", "NXDOMAIN", Status.FAULT, "an alias for db.example.org, which does not resolve here"),
        ("db.example.org", "NOERROR", Status.FAULT, "which does not resolve here (NOERROR)"),
        ("db.example.org", "SERVFAIL", Status.UNKNOWN, "which does not resolve here (SERVFAIL)"),
        ("web.default", "NXDOMAIN", Status.FAULT, "did you mean web.default.svc.cluster.local?"),
    ],
)
def test_an_alias_whose_target_does_not_exist_is_a_fault(target: str, rcode: str, status: Status, part: str) -> None:
    away = service(type="ExternalName", externalName=target, clusterIP="", clusterIPs=[], ports=[])
    lookup = Lookup(NAME, "10.96.0.10", ANSWERED, rcode, (target,), ())
    found = findings(Observed(tried=Tried("node1", lookup=lookup), egress=False), away)
    assert (found["lookup"][0], part in found["lookup"][1]) == (status, True), found
    assert found["verdict"] == found["lookup"]
    assert found["egress"][1].startswith(f"Pods cannot reach {target}: the cluster has no way out")
    assert "egress" not in findings(Observed(tried=Tried("node1", lookup=lookup), egress=True), away)


def test_an_alias_for_an_address_is_a_fault_of_its_form() -> None:
    away = service(type="ExternalName", externalName="192.0.2.7", clusterIP="", clusterIPs=[], ports=[])
    lookup = Lookup(NAME, "10.96.0.10", ANSWERED, "NXDOMAIN", ("192.0.2.7",), ())
    found = findings(tried(lookup=lookup), away)
    assert "lookup" not in found
    assert found["verdict"] == found["external-name"]


@pytest.mark.parametrize(
    ("target", "beside", "part", "cure"),
    [
        ("db.shop.svc.cluster.local", [], '(NXDOMAIN): namespace shop has no Service "db"', "kubectl get svc -n shop"),
        ("db.shop.svc.cluster.local", [("db", "prod", {})], 'namespace shop has no Service "db"', "-n prod db"),
        ("db.shop.svc.cluster.local", [("db", "shop", {})], "which does not resolve", "fairlead why svc/db -n shop"),
        ("db.shop", [("db", "shop", {})], "did you mean db.shop.svc.cluster.local?", "db.shop.svc.cluster.local"),
        (
            "a.default.svc.cluster.local",
            [("a", "default", {"type": "ExternalName", "externalName": "web.default.svc.cluster.local"})],
            "the aliases web.default -> a.default -> web.default lead in a circle",
            "kubectl get svc web",
        ),
    ],
)
def test_an_alias_into_the_cluster_is_compared_with_its_services(
    target: str, beside: list[tuple[str, str, Tree]], part: str, cure: str
) -> None:
    away = service(type="ExternalName", externalName=target, clusterIP="", clusterIPs=[], ports=[])
    lookup = Lookup(NAME, "10.96.0.10", ANSWERED, "NXDOMAIN", (target,), ())
    others = [{"metadata": {"name": name, "namespace": space}, "spec": spec} for name, space, spec in beside]
    found = diagnosed(Observed(tried=Tried("node1", lookup=lookup)), away, beside=others)
    assert (found.status, part in str(found.decisive.cause), cure in str(found.decisive.cure)) == (
        Status.FAULT,
        True,
        True,
    ), found.decisive
    assert list(english_in(found)) == []


def test_an_alias_of_an_ipv6_address_alone_resolves() -> None:
    away = service(type="ExternalName", externalName="db.example.org", clusterIP="", clusterIPs=[], ports=[])
    lookup = Lookup(NAME, "10.96.0.10", ANSWERED, "NOERROR", ("db.example.org",), ("2001:db8::1",))
    assert findings(Observed(tried=Tried("node1", lookup=lookup)), away)["lookup"][0] is Status.OK


@pytest.mark.parametrize(
    ("rcode", "addresses", "status"),
    [("NXDOMAIN", (), Status.FAULT), ("", (), Status.FAULT), ("NOERROR", (ADDRESS,), Status.OK)],
)
def test_a_sender_with_name_servers_of_its_own_must_know_the_name(
    rcode: str, addresses: tuple[str, ...], status: Status
) -> None:
    outcome = ANSWERED if rcode else SILENT
    lookup = Lookup(NAME, "192.0.2.53", outcome, rcode, (), addresses, own_servers=("192.0.2.53", "192.0.2.54"))
    observed = Observed(tried=Tried("pod/client", lookup=lookup))
    for made in (service(), service(clusterIP="None", clusterIPs=["None"])):
        found = findings(observed, made, slice_of("10.244.1.2"))
        assert found["lookup"][0] is status, found
        if status is Status.FAULT:
            said = "pod/client asks 192.0.2.53, 192.0.2.54 and not the cluster's DNS 10.96.0.10"
            assert found["verdict"][1].startswith(f"{said}, so it does not know {NAME}")


@pytest.mark.parametrize(
    ("dials", "egress", "part", "cure"),
    [
        ((ANSWERED,), False, "all accepted", ""),
        ((REFUSED, ANSWERED), False, "to 1 of 2 endpoints without a Pod: 10.244.1.2 port 80 refuses it",
         "kubectl edit endpointslice web-1"),
        ((SILENT,), None, "no connection to 1 of 1 endpoints without a Pod: 10.244.1.2 port 80 does not answer",
         "kubectl edit endpointslice web-1"),
        ((UNREACHABLE,), False, "10.244.1.2 port 80 could not be reached (No route to host)",
         "fairlead down && fairlead up --detach --egress"),
    ],
)  # fmt: skip
def test_endpoints_that_are_no_pods_are_tried(
    dials: tuple[str, ...], egress: bool | None, part: str, cure: str
) -> None:
    ends = tuple(
        Dial("80/TCP", f"10.244.1.{2 + at}", 80, outcome, "No route to host" if outcome == UNREACHABLE else "")
        for at, outcome in enumerate(dials)
    )
    observed = Observed(tried=Tried("node1", endpoints=ends), egress=egress)
    found = diagnosed(observed, service(), slice_of("10.244.1.2"))
    step = next(one for one in found.steps if one.check.name == "endpoint-answers")
    assert part in str(step.finding.cause or step.finding.looked_at)
    assert (step.finding.status is Status.FAULT, str(step.finding.cure)) == (bool(cure), cure)
    assert found.decisive is step.finding or not cure


def test_udp_clients_of_endpoints_that_are_gone_are_named() -> None:
    udp = service(ports=[{"port": 53, "protocol": "UDP", "targetPort": 53}])
    observed = tried(
        stale=(text("{client} still sends to {endpoint}", client="10.244.1.5:4000", endpoint="10.244.1.3:53"),)
    )
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


def asked(kind: str, outcome: str = ANSWERED, **more: Any) -> Observed:
    number = 53 if kind == "dns" else 80
    return tried(replies=(Reply(f"{number}/TCP", ADDRESS, number, kind, outcome, **more),))


def claiming(**port: Any) -> Tree:
    return service(ports=[{"port": 80, "protocol": "TCP", "targetPort": 80} | port])


@pytest.mark.parametrize(
    ("port", "kind", "spoken", "status", "part"),
    [
        ({"name": "https"}, "tls", "http", Status.FAULT, "port 80 claims HTTPS (name: https), and the process"),
        ({"appProtocol": "https"}, "tls", "http", Status.FAULT, "claims HTTPS (appProtocol: https)"),
        ({"name": "http"}, "options", "https", Status.FAULT, "port 80 claims HTTP (name: http), and the process"),
        ({"name": "https"}, "tls", "https", Status.OK, "80/TCP HTTPS"),
        ({"name": "http"}, "options", "http", Status.OK, "80/TCP HTTP"),
        ({}, "tls", "http", Status.NOTE, "port 80 has a number of HTTPS, and the process behind it speaks plain HTTP"),
        ({}, "get", "https", Status.NOTE, "port 80 was asked for HTTP and expects HTTPS"),
    ],
)
def test_a_port_that_claims_another_protocol_than_its_process_speaks_is_a_fault(
    port: Tree, kind: str, spoken: str, status: Status, part: str
) -> None:
    found = findings(asked(kind, spoken=spoken), claiming(**port), slice_of("10.244.1.2"))["app-protocol"]
    assert (found[0], part in found[1]) == (status, True), found


def test_the_cure_of_a_wrong_claim_sets_app_protocol() -> None:
    diagnosis = diagnosed(asked("tls", spoken="http"), claiming(name="https"), slice_of("10.244.1.2"))
    cure = next(one.finding.cure for one in diagnosis.steps if one.check.name == "app-protocol")
    assert str(cure) == (
        """kubectl patch svc web --type json -p '[{"op":"add","path":"/spec/ports/0/appProtocol","value":"http"}]'"""
    )


def test_a_process_that_does_not_tell_its_protocol_is_not_compared() -> None:
    assert "app-protocol" not in findings(asked("tls", spoken=""), claiming(name="https"), slice_of("10.244.1.2"))


@pytest.mark.parametrize(
    ("observed", "status", "part"),
    [
        (asked("get", said="HTTP/1.1 200 OK", spoken="http", ms=2.5), Status.OK, "port 80: HTTP/1.1 200 OK, 2.5 ms"),
        (asked("get", said="HTTP/1.1 404 Not Found", spoken="http"), Status.OK, "404 Not Found"),
        (asked("get", said="HTTP/1.1 503 Busy", spoken="http"), Status.NOTE, "port 80 answered: HTTP/1.1 503 Busy"),
        (asked("get"), Status.NOTE, "accepted the connection and did not answer HTTP"),
        (asked("dns", said="NOERROR"), Status.OK, "port 53: NOERROR"),
        (asked("dns", SILENT), Status.FAULT, "a DNS question from node1 to 10.96.0.7 port 53 got no answer"),
        (asked("udp", SILENT), Status.OK, "port 80: silent"),
        (asked("udp", REFUSED), Status.FAULT, "a datagram from node1 to 10.96.0.7 port 80 was not taken (refused)"),
        (asked("udp", UNREACHABLE, detail="No route to host"), Status.FAULT, "was not taken (No route to host)"),
    ],
)
def test_requests_show_their_answers_and_datagrams_that_no_program_takes(
    observed: Observed, status: Status, part: str
) -> None:
    found = findings(observed, service(), slice_of("10.244.1.2"))["requests"]
    assert (found[0], part in found[1]) == (status, True), found

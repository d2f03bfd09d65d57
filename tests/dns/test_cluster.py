"""Names as programs see them: from pods and nodes of a real cluster, by glibc, dig, busybox and curl."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
from typing import Any

import pytest

from tests.cluster.support import until
from tests.dns.live import (
    BOTH,
    CONFIG,
    DNS,
    DNS_PODS,
    MANY,
    MARKS,
    OUTSIDE,
    OUTSIDE6,
    PODS,
    SERVICES,
    TAIL,
    UNREADY,
    WEB,
    Names,
    dns_ready,
    ips_of,
    needs_dig,
    pod,
    ready,
    service,
)

pytestmark = MARKS
ALIASES = [{"ip": "192.0.2.8", "hostnames": ["aliased", "too"]}]


@needs_dig
@pytest.mark.parametrize("way", ["+notcp", "+tcp"])
def test_dig_in_a_pod_finds_every_kind_of_name(names: Names, way: str) -> None:
    wanted = every_name(names)
    for server in names.servers:
        assert names.dig(list(wanted), way, f"@{server}") == wanted, server
        missing = [f"{name}.{TAIL}" for name in ("nobody", "empty", "lazy", "any.web-svc", "_nope._tcp.web-svc")]
        codes = {name: ["NXDOMAIN"] for name in missing} | {f"{WEB} MX": ["NOERROR"]}
        assert names.codes(list(codes), way, f"@{server}") == codes, server
        assert names.code(way, f"@{server}", f"*.{TAIL}") == "NXDOMAIN"
    old = {name: wanted[name] for name in (f"{WEB} A", f"many.{TAIL} A", f"_http._tcp.db.{TAIL} SRV")}
    assert names.dig(list(old), way, "+noedns", f"@{DNS[0]}") == old


@needs_dig
def test_several_questions_go_over_one_tcp_connection(names: Names) -> None:
    def opened() -> int:
        fields = names.in_pod("cat", "/proc/net/snmp").splitlines()
        heads, values = (line.split() for line in fields if line.startswith("Tcp:"))
        return int(values[heads.index("ActiveOpens")])

    before = opened()
    asked = [word for n in range(2) for word in (f"db-{n}.db.{TAIL}", "A")]
    said = names.in_pod("dig", "+tcp", "+keepopen", "+short", f"@{DNS[0]}", *asked, WEB, "A").splitlines()
    assert said == [*(ips_of(names.api, f"db-{n}")[0] for n in range(2)), "10.96.44.1"]
    assert opened() == before + 1


def every_name(names: Names) -> dict[str, list[str]]:
    """Returns questions and answers."""
    members = [ips_of(names.api, f"db-{n}") for n in range(2)]
    web = ips_of(names.api, "web")
    dashed = web[0].replace(".", "-")
    wanted = {
        f"{WEB} A": ["10.96.44.1"],
        f"{WEB} AAAA": [],
        f"{WEB.upper()} A": ["10.96.44.1"],
        f"_http._tcp.{WEB} SRV": [f"0 100 80 {WEB}."],
        f"db.{TAIL} A": sorted(own[0] for own in members),
        f"db-0.db.{TAIL} A": [members[0][0]],
        f"_http._tcp.db.{TAIL} SRV": sorted(f"0 50 8080 db-{n}.db.{TAIL}." for n in range(2)),
        f"{dashed}.default.pod.cluster.local A": [web[0]],
        f"{dashed}.{WEB} A": [web[0]],
        f"out.{TAIL} A": [OUTSIDE, "www.example.org."],
        f"out.{TAIL} AAAA": [OUTSIDE6, "www.example.org."],
        f"alias.{TAIL} A": [BOTH[0], f"both.{TAIL}."],
        f"both.{TAIL} A": [BOTH[0]],
        f"eager.{TAIL} A": [UNREADY],
        "-x 10.96.44.1": [f"{WEB}."],
        f"-x {members[0][0]}": [f"db-0.db.{TAIL}."],
        "dns-version.cluster.local TXT": ['"1.1.0"'],
        "cluster.local NS": ["ns.dns.cluster.local."],
        "ns.dns.cluster.local A": [DNS[0]],
        f"many.{TAIL} A": sorted(f"10.244.99.{n + 1}" for n in range(MANY)),
        "www.example.com A": [OUTSIDE],
        "www.example.com AAAA": [OUTSIDE6],
    }
    return wanted | (names_of_ipv6(members, web) if names.dual else {})


def names_of_ipv6(members: list[list[str]], web: list[str]) -> dict[str, list[str]]:
    whole = ipaddress.ip_address(web[1]).exploded.replace(":", "-")
    return {
        f"both.{TAIL} AAAA": [BOTH[1]],
        f"alias.{TAIL} AAAA": [f"both.{TAIL}.", BOTH[1]],
        f"-x {BOTH[1]}": [f"both.{TAIL}."],
        f"db.{TAIL} AAAA": sorted(own[1] for own in members),
        f"db-1.db.{TAIL} AAAA": [members[1][1]],
        f"-x {members[1][1]}": [f"db-1.db.{TAIL}."],
        f"{web[1].replace(':', '-')}.default.pod.cluster.local AAAA": [web[1]],
        f"{whole}.default.pod.cluster.local AAAA": [web[1]],
        "ns.dns.cluster.local AAAA": [DNS[1]],
    }


def test_glibc_in_a_pod_finds_short_names_through_the_search_list(names: Names) -> None:
    for name in ("web-svc", "web-svc.default", "web-svc.default.svc", WEB):
        for client in names.clients:
            assert names.in_pod("getent", "ahostsv4", name, pod=client).split()[0] == "10.96.44.1", (name, client)
    assert names.in_pod("getent", "hosts", "10.96.44.1").split() == ["10.96.44.1", WEB]
    assert names.in_pod("getent", "ahostsv4", "out").split()[0] == OUTSIDE
    assert names.in_pod("getent", "ahostsv4", "nobody.default.svc.cluster.local.") == ""


@pytest.mark.skipif(not shutil.which("busybox"), reason="busybox is not installed")
def test_busybox_in_a_pod_finds_names(names: Names) -> None:
    for client in names.clients:
        assert "Address: 10.96.44.1" in names.in_pod("busybox", "nslookup", WEB, pod=client)
        assert "canonical name = www.example.org" in names.in_pod("busybox", "nslookup", f"out.{TAIL}", pod=client)
        assert f"name = {WEB}" in names.in_pod("busybox", "nslookup", "10.96.44.1", pod=client)
        assert "NXDOMAIN" in names.in_pod("busybox", "nslookup", f"nobody.{TAIL}", pod=client)
        if names.dual:
            assert BOTH[1] in names.in_pod("busybox", "nslookup", f"both.{TAIL}", pod=client)


def test_a_page_is_fetched_by_name_from_a_pod_and_from_a_node(names: Names) -> None:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    for client in names.clients:
        assert "web" in names.in_pod("curl", "-s", "http://web-svc", pod=client)
        assert "web" in names.in_pod("curl", "-s", "-6" if names.dual else "-4", "http://both", pod=client)
    done = names.cluster.fairlead("shell", "node2", "--", "curl", "-s", f"http://{WEB}")
    assert "web" in done.stdout
    node = names.cluster.fairlead("shell", "node1", "--", "getent", "ahostsv4", "web-svc.default")
    assert node.stdout.split()[0] == "10.96.44.1"
    alias = names.cluster.fairlead("shell", "node1", "--", "getent", "ahostsv4", f"out.{TAIL}")
    assert alias.stdout.split()[0] == OUTSIDE


def test_resolv_conf_follows_dns_policy_and_dns_config(names: Names) -> None:
    policies: dict[str, tuple[dict[str, Any], list[str]]] = {
        "plain": ({"hostname": "me", "subdomain": "db", "hostAliases": ALIASES},
                  ["search default.svc.cluster.local svc.cluster.local cluster.local", "nameserver 10.96.0.10",
                   "options ndots:5"]),
        "hosts": ({"dnsPolicy": "Default"}, ["nameserver 172.30.0.1"]),
        "node": ({"hostNetwork": True}, ["nameserver 172.30.0.1"]),
        "both": ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
                 ["search default.svc.cluster.local svc.cluster.local cluster.local", "nameserver 10.96.0.10",
                  "options ndots:5"]),
        "own": ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.96.0.10"], "searches": ["a.test"],
                                                    "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}},
                ["search a.test", "nameserver 10.96.0.10", "options ndots:2 edns0"]),
    }  # fmt: skip
    for name, (spec, _) in policies.items():
        names.api.call("POST", PODS, pod(f"p-{name}", **spec))
    for name, (_, wanted) in policies.items():
        until(f"{name} runs", lambda name=name: ready(names.api.get(f"{PODS}/p-{name}")))  # type: ignore[misc]
        found = names.in_pod("cat", "/etc/resolv.conf", pod=f"p-{name}").splitlines()
        assert found == wanted, name
    assert names.in_pod("getent", "ahostsv4", "www.example.net", pod="p-hosts").split()[0] == OUTSIDE
    own = ips_of(names.api, "p-plain")
    hosts = [line.split() for line in names.in_pod("cat", "/etc/hosts", pod="p-plain").splitlines()]
    assert [line for line in hosts if line and line[0] in own] == [[ip, f"me.db.{TAIL}", "me"] for ip in own]
    assert names.in_pod("getent", "ahostsv4", "too", pod="p-plain").split()[0] == "192.0.2.8"
    for name in policies:
        names.api.call("DELETE", f"{PODS}/p-{name}")


@needs_dig
def test_pod_records_and_stub_zones_follow_the_settings(names: Names) -> None:
    """Also tests upstreams `none`, with which no other query leaves the cluster."""
    before = names.api.get(CONFIG)
    before["metadata"].pop("resourceVersion")
    web = ips_of(names.api, "web")[0].replace(".", "-")
    living, other = f"{web}.default.pod.cluster.local A", "10-1-2-3.default.pod.cluster.local A"
    stubbed, refused = "host.corp.test A", "host.example.net A"

    def found() -> list[str]:
        return [(names.dig([q], f"@{DNS[0]}")[q] or [names.code(f"@{DNS[0]}", *q.split())])[0] for q in asked]

    asked = [living, other, stubbed, refused]
    address = web.replace("-", ".")
    wanted = {
        "verified": [address, "NXDOMAIN", OUTSIDE, "REFUSED"],
        "disabled": ["NXDOMAIN", "NXDOMAIN", OUTSIDE, "REFUSED"],
        "insecure": [address, "10.1.2.3", OUTSIDE, "REFUSED"],
    }
    for mode, answers in wanted.items():
        data = before["data"] | {"pods": mode, "upstreams": "none", "stub.corp.test": "172.30.0.1"}
        names.api.call("PUT", CONFIG, before | {"data": data})
        until(f"{mode} is in force", lambda answers=answers: found() == answers)  # type: ignore[misc]
    names.api.call("PUT", CONFIG, before)
    until("others are asked again", lambda: found()[3] == OUTSIDE)


def test_endpoints_that_come_and_go_are_followed(names: Names) -> None:
    names.api.call("POST", SERVICES, service("late", clusterIP="None", selector={"app": "late"}, ports=[{"port": 1}]))
    names.api.call("POST", PODS, pod("late", app="late"))
    until(
        "its pod has a name",
        lambda: names.in_pod("getent", "ahostsv4", "late").split()[:1] == ips_of(names.api, "late")[:1],
    )
    names.api.call("DELETE", f"{PODS}/late")
    until("the name is gone", lambda: names.in_pod("getent", "ahostsv4", f"late.{TAIL}.") == "")
    names.api.call("DELETE", f"{SERVICES}/late")


def test_new_settings_are_applied_and_invalid_ones_are_reported_and_ignored(names: Names) -> None:
    before = names.api.get(CONFIG)
    changed = json.loads(json.dumps(before))
    changed["metadata"].pop("resourceVersion")
    changed["data"]["hosts"] = "192.0.2.99 gate.test"
    names.api.call("PUT", CONFIG, changed)
    until("the hosts line is known", lambda: "192.0.2.99" in names.in_pod("getent", "ahostsv4", "gate.test"))
    changed["data"]["pods"] = "perhaps"
    names.api.call("PUT", CONFIG, changed)
    events = "/api/v1/namespaces/kube-system/events"
    told = until(
        "an event",
        lambda: [e for e in names.api.get(events)["items"] if e["reason"] == "InvalidConfiguration"],
    )
    assert told[0]["message"].startswith('pods: "perhaps" is not one of insecure, verified, disabled')
    assert "192.0.2.99" in names.in_pod("getent", "ahostsv4", "gate.test")
    before["metadata"].pop("resourceVersion")
    names.api.call("PUT", CONFIG, before)
    until("the hosts line is forgotten", lambda: OUTSIDE in names.in_pod("getent", "ahostsv4", "gate.test"))


@needs_dig
def test_cluster_names_resolve_while_the_upstream_is_down_and_others_after_it_returns(names: Names) -> None:
    before = names.api.get(CONFIG)
    before["metadata"].pop("resourceVersion")
    dead = before | {"data": before["data"] | {"upstreams": "10.244.1.250"}}  # an unused address
    names.api.call("PUT", CONFIG, dead)
    until("others fail", lambda: names.code(f"@{DNS[0]}", "+tries=1", "+time=5", "broken.example.net") == "SERVFAIL")
    asked = [f"dig +short +tries=1 +time=1 @$0 {name}" for name in (WEB, f"many.{TAIL}", f"db.{TAIL}")]
    many = "for n in 1 2 3 4 5 6 7 8; do dig +tries=1 +time=3 @$0 $n.example.net >/dev/null & done; "
    found = names.in_pod("sh", "-c", f"{many}{'; '.join(asked)}; wait", DNS[0]).splitlines()
    assert len(found) == 1 + MANY + 2
    names.api.call("PUT", CONFIG, before)
    until(
        "others are back",
        lambda: names.dig(["broken.example.net A"], f"@{DNS[0]}") == {"broken.example.net A": [OUTSIDE]},
    )


def test_names_come_back_after_the_pod_is_killed_and_after_scaling_to_zero_and_back(names: Names) -> None:
    pods = "/api/v1/namespaces/kube-system/pods"
    old = names.api.get(DNS_PODS)["items"][0]["metadata"]["name"]
    names.api.call("DELETE", f"{pods}/{old}")
    until("names are answered again", lambda: "10.96.44.1" in names.in_pod("getent", "ahostsv4", "web-svc"))
    for replicas in (0, 2):
        scale(names, replicas)
    until("names are answered once more", lambda: "10.96.44.1" in names.in_pod("getent", "ahostsv4", "web-svc"))


def scale(names: Names, replicas: int) -> None:
    path = "/apis/apps/v1/namespaces/kube-system/deployments/fairlead-dns/scale"
    tree = names.api.get(path)
    tree["spec"]["replicas"] = replicas
    del tree["metadata"]["resourceVersion"]
    names.api.call("PUT", path, tree)
    until(f"{replicas} pods are ready", lambda: dns_ready(names.api) == replicas)


def test_what_the_user_changed_stays_over_a_restart(names: Names) -> None:
    found = names.api.get("/apis/apps/v1/namespaces/kube-system/deployments/fairlead-dns")
    assert found["spec"]["replicas"] == 2
    control = names.cluster.component("control-plane")
    os.kill(control["pid"], 9)
    until("the API is back", lambda: names.cluster.component("control-plane")["pid"] not in (0, control["pid"]))
    until("it answers", lambda: names.api.get(CONFIG))
    assert names.api.get("/apis/apps/v1/namespaces/kube-system/deployments/fairlead-dns")["spec"]["replicas"] == 2
    scale(names, 1)

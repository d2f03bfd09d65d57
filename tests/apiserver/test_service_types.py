"""Every change of a Service from one type to another: numbers reserved, numbers released, fields cleared."""

from __future__ import annotations

from typing import Any

import pytest

from .harness import MERGE, SERVICES, Api, Tree, service, story

TYPES: dict[str, Tree] = {
    "ClusterIP": {},
    "NodePort": {},
    "LoadBalancer": {"externalTrafficPolicy": "Local"},
    "ExternalName": {"externalName": "a.example"},
    "headless": {"clusterIP": "None"},
}
HAS_ADDRESS = {"ClusterIP", "NodePort", "LoadBalancer"}
HAS_PORTS = {"NodePort", "LoadBalancer"}


def as_type(name: str) -> Tree:
    return {"type": "ClusterIP" if name == "headless" else name} | TYPES[name]


def held(api: Api) -> tuple[int, int]:
    """Returns the number of addresses and node ports in use, without that of the Service kubernetes."""
    allocator = api.server._writing.allocator
    return len(allocator.pools["IPv4"]) - 1, len(allocator.ports)


def expected(name: str) -> tuple[int, int]:
    return int(name in HAS_ADDRESS), {"NodePort": 1, "LoadBalancer": 2}.get(name, 0)


CHANGES = [(a, b) for a in TYPES for b in TYPES if a != b and "headless" not in (a, b)]


@pytest.mark.parametrize(("before", "after"), CHANGES)
@pytest.mark.parametrize("verb", ["PUT", "PATCH"])
def test_each_type_becomes_each_other(before: str, after: str, verb: str) -> None:
    @story
    async def run(api: Api) -> None:
        made = (await api.ok("POST", SERVICES, service("a", **as_type(before))))["spec"]
        assert held(api) == expected(before)
        path, wanted = f"{SERVICES}/a", as_type(after)
        if verb == "PUT":
            now = await api.ok("PUT", path, service("a", **wanted))
        else:
            gone = {key: None for key in TYPES[before] if key not in wanted}
            now = await api.ok("PATCH", path, {"spec": wanted | gone}, content_type=MERGE)
        spec = now["spec"]
        assert held(api) == expected(after)
        assert spec["type"] == wanted["type"]
        check(made, spec, before, after)
        await api.ok("DELETE", path)
        assert held(api) == (0, 0)

    run()


def check(made: Tree, spec: Tree, before: str, after: str) -> None:
    """Checks that addresses and node ports stay if both types have them, and are released if the new type does not."""
    if after in HAS_ADDRESS:
        assert spec["clusterIPs"] == [spec["clusterIP"]]
        assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
        assert spec["internalTrafficPolicy"] == "Cluster"
    else:
        fields = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy")
        assert not set(fields) & spec.keys()
    if {before, after} <= HAS_ADDRESS:
        assert spec["clusterIP"] == made["clusterIP"]
    ports = [port.get("nodePort", 0) for port in spec["ports"]]
    assert all(ports) if after in HAS_PORTS else not any(ports)
    if {before, after} <= HAS_PORTS:
        assert ports == [port["nodePort"] for port in made["ports"]]
    assert ("healthCheckNodePort" in spec) == (after == "LoadBalancer")
    assert ("allocateLoadBalancerNodePorts" in spec) == (after == "LoadBalancer")
    assert ("externalTrafficPolicy" in spec) == (after in HAS_PORTS)


@pytest.mark.parametrize("after", ["NodePort", "LoadBalancer"])
def test_a_headless_service_cannot_have_node_ports(after: str) -> None:
    @story
    async def run(api: Api) -> None:
        await api.ok("POST", SERVICES, service("a", clusterIP="None"))
        error = await api.error("PATCH", f"{SERVICES}/a", {"spec": {"type": after}}, content_type=MERGE)
        text = f"may not be set to 'None' for {after} services"
        assert error.message == f'Service "a" is invalid: spec.clusterIPs[0]: Invalid value: "None": {text}'
        assert held(api) == (0, 0)

    run()


@story
async def test_a_service_becomes_headless_or_headful_only_by_way_of_an_external_name(api: Api) -> None:
    await api.ok("POST", SERVICES, service("a"))
    body: dict[str, Any] = {"spec": {"clusterIP": "None"}}
    error = await api.error("PATCH", f"{SERVICES}/a", body, content_type=MERGE)
    assert error.message.endswith('spec.clusterIPs[0]: Invalid value: ["None"]: may not change once set')
    body = {"spec": {"type": "ExternalName", "externalName": "a.example"}}
    await api.ok("PATCH", f"{SERVICES}/a", body, content_type=MERGE)
    body = {"spec": {"type": "ClusterIP", "externalName": None, "clusterIP": "None"}}
    spec = (await api.ok("PATCH", f"{SERVICES}/a", body, content_type=MERGE))["spec"]
    assert (spec["clusterIP"], spec["clusterIPs"]) == ("None", ["None"])
    assert held(api) == (0, 0)


@story
async def test_a_load_balancer_may_go_without_node_ports(api: Api) -> None:
    await api.ok("POST", SERVICES, service("a", type="LoadBalancer", allocateLoadBalancerNodePorts=False))
    assert held(api) == (1, 0)
    ports = [{"port": 80, "nodePort": 30111}]
    spec = (await api.ok("PATCH", f"{SERVICES}/a", {"spec": {"ports": ports}}, content_type=MERGE))["spec"]
    assert spec["ports"][0]["nodePort"] == 30111, "asked for is asked for"
    body = {"spec": {"allocateLoadBalancerNodePorts": True, "ports": [{"port": 81}]}}
    spec = (await api.ok("PATCH", f"{SERVICES}/a", body, content_type=MERGE))["spec"]
    assert spec["ports"][0]["nodePort"] >= 30000
    assert held(api) == (1, 1)


@story
async def test_the_policy_decides_about_the_health_check_port(api: Api) -> None:
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
    spec = (await api.ok("POST", SERVICES, service("a", **local, healthCheckNodePort=30333)))["spec"]
    assert spec["healthCheckNodePort"] == 30333
    error = await api.error("POST", SERVICES, service("b", **local, healthCheckNodePort=30333))
    text = "failed to allocate requested HealthCheck NodePort 30333: provided port is already allocated"
    assert (error.code, error.message) == (500, f"Internal error occurred: {text}")
    kept = (await api.ok("PUT", f"{SERVICES}/a", service("a", **local)))["spec"]
    assert kept["healthCheckNodePort"] == 30333
    body = {"spec": {"externalTrafficPolicy": "Cluster"}}
    spec = (await api.ok("PATCH", f"{SERVICES}/a", body, content_type=MERGE))["spec"]
    assert "healthCheckNodePort" not in spec
    await api.ok("POST", SERVICES, service("c", type="NodePort", ports=[{"port": 80, "nodePort": 30333}]))


@story
async def test_load_balancer_status_is_cleared_with_the_type(api: Api) -> None:
    await api.ok("POST", SERVICES, service("a", type="LoadBalancer", loadBalancerClass="example.com/lb"))
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "172.30.0.200"}]}}}
    found = await api.ok("PATCH", f"{SERVICES}/a/status", status, content_type=MERGE)
    assert found["status"]["loadBalancer"] == {"ingress": [{"ip": "172.30.0.200", "ipMode": "VIP"}]}
    found = await api.ok("PATCH", f"{SERVICES}/a", {"spec": {"type": "NodePort"}}, content_type=MERGE)
    assert found["status"] == {"loadBalancer": {}}
    assert "loadBalancerClass" not in found["spec"]
    error = await api.error("PATCH", f"{SERVICES}/a/status", status, content_type=MERGE)
    text = "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"
    assert error.message == f'Service "a" is invalid: {text}'


@story
async def test_conditions_of_a_service_are_kept_and_merged_by_type(api: Api) -> None:
    await api.ok("POST", SERVICES, service("a"))
    condition = {"type": "Ready", "status": "True", "reason": "R", "message": "m"}
    condition["lastTransitionTime"] = "2026-01-02T03:04:05Z"
    strategic = "application/strategic-merge-patch+json"
    for one in (condition, condition | {"type": "Other"}, condition | {"status": "False"}):
        found = await api.ok("PATCH", f"{SERVICES}/a/status", {"status": {"conditions": [one]}}, content_type=strategic)
    shown = [(c["type"], c["status"]) for c in found["status"]["conditions"]]
    assert sorted(shown) == [("Other", "True"), ("Ready", "False")]


@story
async def test_a_warning_is_a_header(api: Api) -> None:
    response = await api.call("POST", SERVICES, service("a", trafficDistribution="PreferClose"))
    assert response.headers["warning"] == (
        '299 - "spec.trafficDistribution: \\"PreferClose\\" is deprecated; use \\"PreferSameZone\\""'
    )
    assert (await api.call("PUT", f"{SERVICES}/a", service("a"))).headers.get("warning") is None

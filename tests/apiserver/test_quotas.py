"""Quotas: what counts, what is refused in upstream's words, and that concurrent requests stay within the limits."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from .harness import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    MERGE,
    PODS,
    SERVICES,
    Api,
    Tree,
    config_map,
    deployment,
    pod,
    service,
    story,
)

QUOTAS = "/api/v1/namespaces/default/resourcequotas"
CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"


def quota(name: str = "q", *, scopes: list[str] | None = None, selector: Any = None, **hard: str) -> Tree:
    named = {key.replace("__", "/").replace("_", "."): value for key, value in hard.items()}
    return {"metadata": {"name": name}, "spec": {"hard": named, "scopes": scopes or [], "scopeSelector": selector}}


def resources(requests: dict[str, str], limits: dict[str, str] | None = None) -> list[Tree]:
    return [{"name": "web", "image": "nginx", "resources": {"requests": requests, "limits": limits or {}}}]


async def status(api: Api, **wanted: str) -> None:
    """Waits until the quota's status shows the use."""
    named = {key.replace("__", "/").replace("_", "."): value for key, value in wanted.items()}
    stream = await api.watch(QUOTAS, resourceVersion="0")
    while True:
        for piece in await asyncio.wait_for(stream.next(), 30):
            used = msgspec.json.decode(piece)["object"].get("status", {}).get("used", {})
            if {name: used.get(name) for name in named} == named:
                stream.close()
                return


async def refused(api: Api, path: str, body: Tree) -> str:
    error = await api.error("POST", path, body)
    assert (error.code, error.reason) == (403, "Forbidden")
    return error.message


@story
async def test_the_number_of_pods_is_limited_in_upstreams_words(api: Api) -> None:
    await api.ok("POST", QUOTAS, quota(pods="1"))
    await api.ok("POST", PODS, pod("a"))
    text = 'pods "b" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
    assert await refused(api, PODS, pod("b")) == text
    await status(api, pods="1")
    await api.ok("DELETE", f"{PODS}/a", query={"gracePeriodSeconds": "0"})
    await api.ok("POST", PODS, pod("b"))


@story
async def test_any_number_of_concurrent_requests_stays_within_the_quota(api: Api) -> None:
    await api.ok("POST", QUOTAS, quota(pods="7", requests_cpu="1", count__configmaps="5"))
    bodies = [pod(f"p{i}", containers=resources({"cpu": "200m"})) for i in range(40)]
    writes = [api.call("POST", PODS, body) for body in bodies]
    writes += [api.call("POST", CONFIG_MAPS, config_map(f"c{i}")) for i in range(40)]
    codes = [response.status for response in await asyncio.gather(*writes)]
    assert (codes[:40].count(201), codes[40:].count(201)) == (5, 5)
    assert set(codes) == {201, 403}
    await status(api, pods="5", requests_cpu="1", count__configmaps="5")


@story
async def test_what_was_admitted_and_not_written_is_given_back(api: Api) -> None:
    await api.ok("POST", QUOTAS, quota(pods="2"))
    await api.ok("POST", PODS, pod("a"))
    for _ in range(5):
        assert (await api.error("POST", PODS, pod("a"))).code == 409
        await api.ok("POST", PODS, pod("b"), query={"dryRun": "All"})
    await api.ok("POST", PODS, pod("b"))
    await refused(api, PODS, pod("c"))


@story
async def test_each_container_must_set_what_is_limited(api: Api) -> None:
    await api.ok("POST", QUOTAS, quota(limits_cpu="1", requests_memory="1Gi"))
    text = 'pods "a" is forbidden: failed quota: q: must specify limits.cpu for: web; requests.memory for: web'
    assert await refused(api, PODS, pod("a")) == text
    await api.ok("POST", PODS, pod("a", containers=resources({"memory": "600Mi"}, {"cpu": "1"})))
    await status(api, limits_cpu="1", requests_memory="600Mi")
    text = await refused(api, PODS, pod("b", containers=resources({"memory": "600Mi"}, {"cpu": "500m"})))
    assert text.endswith(
        "exceeded quota: q, requested: limits.cpu=500m,requests.memory=600Mi, "
        "used: limits.cpu=1,requests.memory=600Mi, limited: limits.cpu=1,requests.memory=1Gi"
    )


@story
async def test_init_containers_sidecars_and_overhead_count_as_the_scheduler_counts(api: Api) -> None:
    await api.ok("POST", QUOTAS, quota(requests_cpu="10", requests_example_com__gpu="3"))
    init = [
        {"name": "side", "image": "x", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}},
        {"name": "init", "image": "x", "resources": {"requests": {"cpu": "4"}}},
    ]
    gpu = {"example.com/gpu": "2", "cpu": "1"}
    body = pod("a", initContainers=init, containers=resources(gpu, {"example.com/gpu": "2"}))
    await api.ok("POST", PODS, body)
    await status(api, requests_cpu="5", requests_example_com__gpu="2")


@story
async def test_pods_that_have_ended_count_as_objects_only(api: Api) -> None:
    await api.ok("POST", QUOTAS, quota(pods="1", count__pods="2"))
    await api.ok("POST", PODS, pod("a"))
    ended = {"status": {"phase": "Succeeded"}}
    await api.call("PATCH", f"{PODS}/a/status", ended, content_type=MERGE)
    await status(api, pods="0", count__pods="1")
    await api.ok("POST", PODS, pod("b"))
    assert "requested: count/pods=1" in await refused(api, PODS, pod("c"))


@story
async def test_scopes_choose_the_pods_that_count(api: Api) -> None:
    await api.ok("POST", QUOTAS, quota("best-effort", scopes=["BestEffort"], pods="1"))
    await api.ok("POST", QUOTAS, quota("other", scopes=["NotBestEffort"], pods="1"))
    await api.ok("POST", QUOTAS, quota("short", scopes=["Terminating"], pods="0"))
    high = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}
    await api.ok("POST", QUOTAS, quota("high", selector=high, pods="0"))
    await api.ok("POST", PODS, pod("a"))
    assert "exceeded quota: best-effort" in await refused(api, PODS, pod("b"))
    burstable = resources({"cpu": "1"})
    await api.ok("POST", PODS, pod("b", containers=burstable))
    assert "exceeded quota: other" in await refused(api, PODS, pod("c", containers=burstable))
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    await api.ok("POST", classes, {"metadata": {"name": "high"}, "value": 1})
    for name in ("best-effort", "other"):
        await api.ok("DELETE", f"{QUOTAS}/{name}")
    assert "exceeded quota: high" in await refused(api, PODS, pod("c", priorityClassName="high"))
    assert "exceeded quota: short" in await refused(api, PODS, pod("c", activeDeadlineSeconds=9))
    await api.ok("POST", PODS, pod("c"))
    changed = {"spec": {"activeDeadlineSeconds": 9}}
    error = await api.error("PATCH", f"{PODS}/c", changed, content_type=MERGE)
    assert "exceeded quota: short" in error.message


@story
async def test_pods_that_attract_across_namespaces_have_a_scope(api: Api) -> None:
    await api.ok("POST", QUOTAS, quota(scopes=["CrossNamespacePodAffinity"], pods="0"))
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {}}
    here = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    there = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term | {"namespaceSelector": {}}]}}
    await api.ok("POST", PODS, pod("a", affinity=here))
    assert "exceeded quota: q" in await refused(api, PODS, pod("b", affinity=there))


@story
async def test_services_count_by_type_and_by_their_ports(api: Api) -> None:
    await api.ok("POST", QUOTAS, quota(services="4", services_nodeports="2", services_loadbalancers="1"))
    ports = [{"name": f"p{i}", "port": 80 + i} for i in range(2)]
    await api.ok("POST", SERVICES, service("a"))
    await api.ok("POST", SERVICES, service("b", type="NodePort", ports=ports))
    await status(api, services="3", services_nodeports="2", services_loadbalancers="0")  # with `kubernetes`
    assert "services.nodeports=1" in await refused(api, SERVICES, service("c", type="NodePort"))
    error = await api.error("PATCH", f"{SERVICES}/a", {"spec": {"type": "LoadBalancer"}}, content_type=MERGE)
    assert "requested: services.nodeports=1, used: services.nodeports=2" in error.message
    await api.ok("POST", SERVICES, service("c", type="LoadBalancer", allocateLoadBalancerNodePorts=False))
    await api.ok("PATCH", f"{SERVICES}/b", {"spec": {"type": "ClusterIP"}}, content_type=MERGE)
    await status(api, services="4", services_nodeports="0", services_loadbalancers="1")


@story
async def test_claims_count_by_size_and_by_class(api: Api) -> None:
    def claim(name: str, size: str, kind: str) -> Tree:
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": kind,
            "resources": {"requests": {"storage": size}},
        }
        return {"metadata": {"name": name}, "spec": spec}

    hard = {
        "requests.storage": "10Gi",
        "persistentvolumeclaims": "5",
        "gold.storageclass.storage.k8s.io/requests.storage": "3Gi",
    }
    await api.ok("POST", QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": hard}})
    await api.ok("POST", CLAIMS, claim("a", "2Gi", "gold"))
    await api.ok("POST", CLAIMS, claim("b", "6Gi", "silver"))
    text = await refused(api, CLAIMS, claim("c", "2Gi", "gold"))
    assert "requested: gold.storageclass.storage.k8s.io/requests.storage=2Gi" in text
    assert "requested: requests.storage=3Gi" in await refused(api, CLAIMS, claim("c", "3Gi", "silver"))
    await status(api, requests_storage="8Gi", persistentvolumeclaims="2")


@story
async def test_objects_of_every_kind_are_counted_by_name(api: Api) -> None:
    await api.ok("POST", QUOTAS, quota(count__deployments_apps="1", configmaps="1", secrets="1"))
    await api.ok("POST", DEPLOYMENTS, deployment("a"))
    text = "requested: count/deployments.apps=1, used: count/deployments.apps=1, limited: count/deployments.apps=1"
    assert text in await refused(api, DEPLOYMENTS, deployment("b"))
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    await refused(api, CONFIG_MAPS, config_map("b"))
    await status(api, count__deployments_apps="1", configmaps="1", secrets="0")


@story
async def test_a_new_or_changed_quota_counts_what_is_there_already(api: Api) -> None:
    for name in ("a", "b"):
        await api.ok("POST", CONFIG_MAPS, config_map(name))
    await api.ok("POST", QUOTAS, quota(configmaps="1"))
    await status(api, configmaps="2")
    await refused(api, CONFIG_MAPS, config_map("c"))
    await api.ok("PUT", f"{QUOTAS}/q", quota(configmaps="3", secrets="9"))
    await api.ok("POST", CONFIG_MAPS, config_map("c"))
    await status(api, configmaps="3", secrets="0")
    await api.ok("DELETE", f"{QUOTAS}/q")
    await api.ok("POST", CONFIG_MAPS, config_map("d"))


@story
async def test_other_namespaces_are_free(api: Api) -> None:
    await api.ok("POST", QUOTAS, quota(configmaps="0"))
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    await api.ok("POST", "/api/v1/namespaces/other/configmaps", config_map("a"))
    await refused(api, CONFIG_MAPS, config_map("a"))


@pytest.mark.parametrize("forged", ["0", "100"])
def test_a_forged_status_changes_no_decision_and_is_put_right(forged: str) -> None:
    @story
    async def run(api: Api) -> None:
        await api.ok("POST", QUOTAS, quota(configmaps="1"))
        await api.ok("POST", CONFIG_MAPS, config_map("a"))
        await status(api, configmaps="1")
        wrong = {"status": {"hard": {"configmaps": "50"}, "used": {"configmaps": forged}}}
        await api.call("PATCH", f"{QUOTAS}/q/status", wrong, content_type=MERGE)
        await refused(api, CONFIG_MAPS, config_map("b"))
        await status(api, configmaps="1")

    run()

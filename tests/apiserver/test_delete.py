"""delete and deletecollection: immediate removal, finalizers and grace periods."""

from __future__ import annotations

import asyncio
from typing import Any

from .harness import CONFIG_MAPS, MERGE, PODS, SERVICES, Api, Tree, config_map, pod, service, story

NAMESPACES = "/api/v1/namespaces"


async def running(api: Api, name: str = "a", **spec: Any) -> str:
    """Creates a Pod on a node. Returns its path."""
    await api.ok("POST", PODS, pod(name, nodeName="n1", **spec))
    return f"{PODS}/{name}"


async def deletion(api: Api, path: str) -> tuple[Any, Any]:
    meta: Tree = (await api.ok("GET", path))["metadata"]
    return meta.get("deletionTimestamp"), meta.get("deletionGracePeriodSeconds")


@story
async def test_an_object_without_finalizers_is_removed_at_once_with_a_status(api: Api) -> None:
    created = await api.ok("POST", CONFIG_MAPS, config_map("a"))
    answer = await api.ok("DELETE", f"{CONFIG_MAPS}/a")
    details = {"name": "a", "kind": "configmaps", "uid": created["metadata"]["uid"]}
    assert (answer["kind"], answer["status"], answer["details"]) == ("Status", "Success", details)
    error = await api.error("DELETE", f"{CONFIG_MAPS}/a")
    assert (error.code, error.message) == (404, 'configmaps "a" not found')


@story
async def test_services_and_pods_are_answered_with_themselves(api: Api) -> None:
    await api.ok("POST", SERVICES, service("a"))
    assert (await api.ok("DELETE", f"{SERVICES}/a"))["kind"] == "Service"
    await api.ok("POST", PODS, pod("a"))
    assert (await api.ok("DELETE", f"{PODS}/a"))["kind"] == "Pod"
    assert (await api.error("GET", f"{PODS}/a")).code == 404


@story
async def test_a_pod_on_a_node_gets_its_grace_period(api: Api) -> None:
    path = await running(api, terminationGracePeriodSeconds=7)
    await api.ok("DELETE", path)
    assert await deletion(api, path) == ("2023-11-14T22:13:27Z", 7)
    await api.ok("DELETE", path)
    assert await deletion(api, path) == ("2023-11-14T22:13:27Z", 7)
    await api.ok("DELETE", path, {"gracePeriodSeconds": 2})
    assert await deletion(api, path) == ("2023-11-14T22:13:22Z", 2)
    await api.ok("DELETE", path, {"gracePeriodSeconds": 60})
    assert await deletion(api, path) == ("2023-11-14T22:13:22Z", 2)
    await api.ok("DELETE", path, query={"gracePeriodSeconds": "0"})
    assert (await api.error("GET", path)).code == 404


@story
async def test_a_grace_period_is_shortened_to_now_at_most(api: Api) -> None:
    path = await running(api, terminationGracePeriodSeconds=30)
    await api.ok("DELETE", path)
    assert await deletion(api, path) == ("2023-11-14T22:13:50Z", 30)
    api.clock.advance(20)
    await api.ok("DELETE", path, {"gracePeriodSeconds": 5})
    assert await deletion(api, path) == ("2023-11-14T22:13:40Z", 1)


@story
async def test_a_pod_that_its_node_has_ended_is_deleted_now_even_if_a_finalizer_holds_it(api: Api) -> None:
    body = pod("a", nodeName="n1")
    body["metadata"]["finalizers"] = ["x.io/a"]
    await api.ok("POST", PODS, body)
    path = f"{PODS}/a"
    await api.ok("DELETE", path)
    assert await deletion(api, path) == ("2023-11-14T22:13:50Z", 30)
    api.clock.advance(3)
    await api.ok("DELETE", path, {"gracePeriodSeconds": 0})
    assert await deletion(api, path) == ("2023-11-14T22:13:23Z", 0)
    api.clock.advance(3)
    await api.ok("DELETE", path, {"gracePeriodSeconds": 0})
    assert await deletion(api, path) == ("2023-11-14T22:13:23Z", 0)


@story
async def test_a_finished_pod_is_not_waited_for(api: Api) -> None:
    path = await running(api)
    await api.ok("PATCH", f"{path}/status", {"status": {"phase": "Succeeded"}}, content_type=MERGE)
    await api.ok("DELETE", path)
    assert (await api.error("GET", path)).code == 404


@story
async def test_finalizers_hold_an_object_until_the_last_one_goes(api: Api) -> None:
    body = config_map("a")
    body["metadata"]["finalizers"] = ["x.io/a", "x.io/b"]
    await api.ok("POST", CONFIG_MAPS, body)
    path = f"{CONFIG_MAPS}/a"
    await api.ok("DELETE", path)
    assert await deletion(api, path) == ("2023-11-14T22:13:20Z", 0)
    await api.ok("PATCH", path, {"metadata": {"finalizers": ["x.io/b"]}}, content_type=MERGE)
    assert (await api.call("GET", path)).status == 200
    last = await api.ok("PATCH", path, {"metadata": {"finalizers": []}}, content_type=MERGE)
    assert "finalizers" not in last["metadata"]
    assert (await api.error("GET", path)).code == 404


@story
async def test_the_propagation_policy_becomes_a_finalizer(api: Api) -> None:
    for policy, finalizer in (("Foreground", "foregroundDeletion"), ("Orphan", "orphan")):
        await api.ok("POST", CONFIG_MAPS, config_map(policy.lower()))
        held = await api.ok("DELETE", f"{CONFIG_MAPS}/{policy.lower()}", {"propagationPolicy": policy})
        assert held["metadata"]["finalizers"] == [finalizer]
    await api.ok("POST", CONFIG_MAPS, config_map("b"))
    await api.ok("DELETE", f"{CONFIG_MAPS}/b", {"propagationPolicy": "Background"})
    assert (await api.error("GET", f"{CONFIG_MAPS}/b")).code == 404
    error = await api.error("DELETE", f"{CONFIG_MAPS}/foreground", {"propagationPolicy": "Never"})
    assert (error.code, error.reason) == (422, "Invalid")


@story
async def test_jobs_and_replication_controllers_orphan_their_pods_unless_the_request_says_otherwise(api: Api) -> None:
    pod: Tree = {"spec": {"restartPolicy": "Never", "containers": [{"name": "web", "image": "fairlead/web"}]}}
    controlled = {"metadata": {"labels": {"app": "web"}}, "spec": pod["spec"] | {"restartPolicy": "Always"}}
    jobs, controllers = "/apis/batch/v1/namespaces/default/jobs", "/api/v1/namespaces/default/replicationcontrollers"
    for collection, spec in ((jobs, {"template": pod}), (controllers, {"replicas": 0, "template": controlled})):
        for name, options, finalizer in (
            ("a", {}, "orphan"),
            ("b", {"propagationPolicy": "Foreground"}, "foregroundDeletion"),
            ("c", {"propagationPolicy": "Background"}, ""),
        ):
            await api.ok("POST", collection, {"metadata": {"name": name}, "spec": spec})
            await api.ok("DELETE", f"{collection}/{name}", options)
            left = await api.call("GET", f"{collection}/{name}")
            assert (left.status, finalizer.encode() in left.body) == (200 if finalizer else 404, True)


@story
async def test_preconditions_must_hold(api: Api) -> None:
    created = await api.ok("POST", CONFIG_MAPS, config_map("a"))
    path, uid = f"{CONFIG_MAPS}/a", created["metadata"]["uid"]
    error = await api.error("DELETE", path, {"preconditions": {"uid": "other"}})
    assert (error.code, error.reason) == (409, "Conflict")
    assert f"UID in precondition: other, UID in object meta: {uid}" in error.message
    assert (await api.error("DELETE", path, {"preconditions": {"resourceVersion": "1"}})).code == 409
    await api.ok("DELETE", path, {"preconditions": {"uid": uid}})


@story
async def test_a_namespace_waits_until_it_is_finalized(api: Api) -> None:
    await api.ok("POST", NAMESPACES, {"metadata": {"name": "x"}})
    held = await api.ok("DELETE", f"{NAMESPACES}/x")
    assert (held["status"]["phase"], held["spec"]["finalizers"]) == ("Terminating", ["kubernetes"])
    await api.ok("PATCH", f"{NAMESPACES}/x", {"spec": {"finalizers": []}}, content_type=MERGE)
    assert (await api.call("GET", f"{NAMESPACES}/x")).status == 200
    await api.ok("PUT", f"{NAMESPACES}/x/finalize", held | {"spec": {"finalizers": []}}, query={})
    assert (await api.error("GET", f"{NAMESPACES}/x")).code == 404


@story
async def test_the_namespaces_of_the_cluster_itself_stay(api: Api) -> None:
    for name in ("default", "kube-system", "kube-public"):
        error = await api.error("DELETE", f"{NAMESPACES}/{name}")
        text = f'namespaces "{name}" is forbidden: this namespace may not be deleted'
        assert (error.code, error.message) == (403, text)


@story
async def test_deletecollection_deletes_matching_objects(api: Api) -> None:
    for name, app in (("a", "x"), ("b", "y"), ("c", "x")):
        await api.ok("POST", CONFIG_MAPS, config_map(name, {"app": app}))
    gone = await api.ok("DELETE", CONFIG_MAPS, query={"labelSelector": "app=x"})
    assert [item["metadata"]["name"] for item in gone["items"]] == ["a", "c"]
    left = await api.ok("GET", CONFIG_MAPS)
    assert [item["metadata"]["name"] for item in left["items"]] == ["b"]
    assert (await api.error("DELETE", NAMESPACES)).code == 405


@story
async def test_of_concurrent_deletes_one_finds_the_object(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    tries = await asyncio.gather(*(api.call("DELETE", f"{CONFIG_MAPS}/a") for _ in range(5)))
    assert sorted(answer.status for answer in tries) == [200, 404, 404, 404, 404]

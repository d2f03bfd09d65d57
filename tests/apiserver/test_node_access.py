"""The Node authorizer and NodeRestriction: what a node reads and writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fairlead.apiserver.auth.node.references import references_of, secrets_of_volume
from fairlead.apiserver.model import User

from .harness import MERGE, PODS, Api, Tree, config_map, pod, story
from .rbac import user

NODE1, NODE2 = (user(f"system:node:n{number}", "system:nodes") for number in (1, 2))
SECRETS = "/api/v1/namespaces/default/secrets"
MAPS = "/api/v1/namespaces/default/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
NODES = "/api/v1/nodes"


async def run_on(api: Api, node: str, name: str, **spec: Any) -> Tree:
    await api.ok("POST", PODS, pod(name, nodeName=node, **spec))
    return await api.ok("GET", f"{PODS}/{name}")


async def status(api: Api, who: User, method: str, path: str, body: Any = None, **more: Any) -> int:
    return (await replace(api, user=who).call(method, path, body, **more)).status


def uses(**source: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "v"} | source]}


def with_env(*entries: Tree, source: Tree | None = None) -> dict[str, Any]:
    container: Tree = {"name": "web", "image": "nginx", "env": list(entries)}
    return {"containers": [container | ({"envFrom": [source]} if source else {})]}


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"imagePullSecrets": [{"name": "a"}]}, {("secrets", "a")}),
        (uses(secret={"secretName": "a"}), {("secrets", "a")}),
        (uses(projected={"sources": [{"secret": {"name": "a"}}]}), {("secrets", "a")}),
        (uses(projected={"sources": [{"configMap": {"name": "b"}}]}), {("configmaps", "b")}),
        (uses(configMap={"name": "b"}), {("configmaps", "b")}),
        (uses(csi={"driver": "d", "nodePublishSecretRef": {"name": "a"}}), {("secrets", "a")}),
        (uses(persistentVolumeClaim={"claimName": "c"}), {("persistentvolumeclaims", "c")}),
        (uses(ephemeral={"volumeClaimTemplate": {"spec": {}}}), {("persistentvolumeclaims", "p-v")}),
        (with_env({"name": "X", "valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}}), {("secrets", "a")}),
        (with_env({"name": "X", "valueFrom": {"configMapKeyRef": {"name": "b", "key": "k"}}}), {("configmaps", "b")}),
        (with_env(source={"secretRef": {"name": "a"}}), {("secrets", "a")}),
        (with_env(source={"configMapRef": {"name": "b"}}), {("configmaps", "b")}),
        ({"initContainers": with_env(source={"secretRef": {"name": "a"}})["containers"]}, {("secrets", "a")}),
        ({"ephemeralContainers": with_env(source={"secretRef": {"name": "a"}})["containers"]}, {("secrets", "a")}),
        ({"serviceAccountName": "s", "nodeSelector": {"secret": "x", "secretRef": "y"}}, {("serviceaccounts", "s")}),
        (with_env({"name": "secretRef", "value": "a"}), set()),
    ],
)
def test_references_of_a_pod_are_found_in_every_place(spec: Tree, found: set[tuple[str, str]]) -> None:
    assert references_of({"metadata": {"name": "p"}, "spec": spec}) == found


def test_secrets_of_a_volume_are_those_of_its_driver() -> None:
    csi = {"driver": "d", "nodeStageSecretRef": {"name": "a", "namespace": "x"}, "volumeAttributes": {"secretRef": "b"}}
    assert set(secrets_of_volume({"csi": csi}, "default")) == {("x", "a")}
    azure = {"secretName": "c", "shareName": "s"}
    assert set(secrets_of_volume({"azureFile": azure}, "default")) == {("default", "c")}


@story
async def test_a_node_reads_the_secrets_of_its_own_pods_and_no_others(api: Api) -> None:
    for name in ("mine", "other", "free"):
        await api.ok("POST", SECRETS, {"metadata": {"name": name}})
    await run_on(api, "n1", "a", **uses(secret={"secretName": "mine"}))
    await run_on(api, "n2", "b", **uses(secret={"secretName": "other"}))
    field = {"fieldSelector": "metadata.name=mine"}
    assert await status(api, NODE1, "GET", f"{SECRETS}/mine") == 200
    assert await status(api, NODE1, "GET", SECRETS, query=field) == 200
    for who, path, query in (
        (NODE1, f"{SECRETS}/other", {}),
        (NODE1, f"{SECRETS}/free", {}),
        (NODE1, SECRETS, {}),
        (NODE1, "/api/v1/secrets", field),
        (NODE1, SECRETS.replace("default", "kube-system") + "/mine", {}),
        (NODE2, f"{SECRETS}/mine", {}),
        (user("system:node:n1"), f"{SECRETS}/mine", {}),
        (user("n1", "system:nodes"), f"{SECRETS}/mine", {}),
        (user("system:node:", "system:nodes"), f"{SECRETS}/mine", {}),
        (user("system:node:N1", "system:nodes"), f"{SECRETS}/mine", {}),
    ):
        assert await status(api, who, "GET", path, query=query) == 403, (who, path)
    error = await replace(api, user=NODE2).error("GET", f"{SECRETS}/mine")
    text = 'secrets "mine" is forbidden: User "system:node:n2" cannot get resource "secrets" in API group "" '
    why = "no relationship found between node 'n2' and this object"
    assert error.message == f'{text}in the namespace "default": {why}'
    for method in ("PUT", "DELETE"):
        assert await status(api, NODE1, method, f"{SECRETS}/mine", {"metadata": {"name": "mine"}}) == 403
    await api.ok("DELETE", f"{PODS}/a", {"gracePeriodSeconds": 0})
    assert await status(api, NODE1, "GET", f"{SECRETS}/mine") == 403


@story
async def test_a_pod_belongs_to_a_node_from_its_binding_on(api: Api) -> None:
    await api.ok("POST", MAPS, config_map("m", x="1"))
    assert await status(api, NODE1, "GET", f"{MAPS}/m") == 403
    await api.ok("POST", PODS, pod("a", **uses(configMap={"name": "m"})))
    assert await status(api, NODE1, "GET", f"{MAPS}/m") == 403
    await api.ok("POST", f"{PODS}/a/binding", {"target": {"name": "n1"}})
    assert await status(api, NODE1, "GET", f"{MAPS}/m") == 200
    assert await status(api, NODE2, "GET", f"{MAPS}/m") == 403


@story
async def test_a_node_lists_and_watches_its_own_pods_and_its_own_node(api: Api) -> None:
    await run_on(api, "n1", "a")
    await run_on(api, "n2", "b")
    await api.ok("POST", NODES, {"metadata": {"name": "n1"}})
    for path, query, code in (
        (PODS, {"fieldSelector": "spec.nodeName=n1"}, 200),
        ("/api/v1/pods", {"fieldSelector": "spec.nodeName=n1"}, 200),
        ("/api/v1/pods", {"fieldSelector": "spec.nodeName=n2"}, 403),
        ("/api/v1/pods", {"fieldSelector": "spec.nodeName!=n2"}, 403),
        (PODS, {}, 403),
        (f"{PODS}/a", {}, 200),
        (f"{PODS}/b", {}, 403),
        (f"{PODS}/a/log", {}, 403),
        (f"{NODES}/n1", {}, 200),
        (f"{NODES}/n2", {}, 403),
        (NODES, {}, 403),
        (NODES, {"fieldSelector": "metadata.name=n1"}, 200),
        ("/api/v1/services", {}, 200),
        ("/api/v1/namespaces", {}, 403),
        ("/apis/discovery.k8s.io/v1/endpointslices", {}, 403),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", {}, 403),
    ):
        assert await status(api, NODE1, "GET", path, query=query) == code, (path, query)


@story
async def test_a_node_writes_its_own_node_without_taints_and_reserved_labels(api: Api) -> None:
    node1 = replace(api, user=NODE1)
    labels = {"kubernetes.io/hostname": "n1", "example.com/a": "b", "x.node.kubernetes.io/y": "z"}
    await node1.ok("POST", NODES, {"metadata": {"name": "n1", "labels": labels}})
    error = await node1.error("POST", NODES, {"metadata": {"name": "n2"}})
    assert error.message == 'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"'
    for changed, why in (
        ({"metadata": {"labels": {"kubernetes.io/role": "x"}}}, "is not allowed to modify labels: kubernetes.io/role"),
        (
            {"metadata": {"labels": {"node-restriction.kubernetes.io/a": "x"}}},
            "is not allowed to modify labels: node-restriction.kubernetes.io/a",
        ),
        ({"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}, 'node "n1" is not allowed to modify taints'),
        (
            {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "u"}]}},
            'node "n1" is not allowed to modify ownerReferences',
        ),
    ):
        error = await node1.error("PATCH", f"{NODES}/n1", changed, content_type=MERGE)
        assert error.message == f'nodes "n1" is forbidden: {why}'
    await node1.ok("PATCH", f"{NODES}/n1", {"metadata": {"labels": {"kubernetes.io/os": "linux"}}}, content_type=MERGE)
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    await node1.ok("PATCH", f"{NODES}/n1/status", ready, content_type=MERGE)
    assert await status(api, NODE2, "PATCH", f"{NODES}/n1/status", ready, content_type=MERGE) == 403
    assert await status(api, NODE1, "DELETE", f"{NODES}/n1") == 403


@story
async def test_a_node_writes_its_own_lease(api: Api) -> None:
    node1 = replace(api, user=NODE1)
    await node1.ok("POST", LEASES, {"metadata": {"name": "n1"}})
    await node1.ok("PATCH", f"{LEASES}/n1", {"spec": {"holderIdentity": "n1"}}, content_type=MERGE)
    error = await node1.error("POST", LEASES, {"metadata": {"name": "n2"}})
    assert error.message.endswith("can only access node lease with the same name as the requesting node")
    assert await status(api, NODE2, "GET", f"{LEASES}/n1") == 403
    assert await status(api, NODE1, "GET", LEASES) == 403
    other = LEASES.replace("kube-node-lease", "kube-system")
    assert await status(api, NODE1, "POST", other, {"metadata": {"name": "n1"}}) == 403


@story
async def test_a_node_writes_the_status_of_its_own_pods_and_deletes_them(api: Api) -> None:
    await run_on(api, "n1", "a")
    await run_on(api, "n2", "b")
    node1 = replace(api, user=NODE1)
    running = {"status": {"phase": "Running"}}
    await node1.ok("PATCH", f"{PODS}/a/status", running, content_type=MERGE)
    error = await node1.error("PATCH", f"{PODS}/b/status", running, content_type=MERGE)
    assert error.message.endswith('node "n1" can only update pod status for pods with spec.nodeName set to itself')
    labelled = {"metadata": {"labels": {"a": "b"}}}
    error = await node1.error("PATCH", f"{PODS}/a/status", labelled, content_type=MERGE)
    assert error.message.endswith('node "n1" cannot update labels through pod status')
    assert await status(api, NODE1, "PATCH", f"{PODS}/a", labelled, content_type=MERGE) == 403
    error = await node1.error("POST", f"{PODS}/b/eviction", {"metadata": {"name": "b"}})
    assert error.message.endswith("node n1 can only evict pods with spec.nodeName set to itself")
    error = await node1.error("DELETE", f"{PODS}/b")
    assert error.message.endswith('node "n1" can only delete pods with spec.nodeName set to itself')
    assert await status(api, NODE1, "DELETE", f"{PODS}/a", {"gracePeriodSeconds": 0}) == 200


Change = Callable[[Tree], object]


@story
async def test_a_node_creates_mirrors_of_static_pods_only(api: Api) -> None:
    node1 = replace(api, user=NODE1)
    uid = (await api.ok("POST", NODES, {"metadata": {"name": "n1"}}))["metadata"]["uid"]
    await api.ok("POST", SECRETS, {"metadata": {"name": "s"}})

    def mirror(name: str) -> Tree:
        made = pod(name, nodeName="n1")
        owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": uid, "controller": True}
        made["metadata"] |= {"annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences": [owner]}
        return made

    await node1.ok("POST", PODS, mirror("a"))
    cases: list[tuple[Change, str]] = [
        (lambda p: p["metadata"].pop("annotations"), "can only create mirror pods"),
        (lambda p: p["spec"].update(nodeName="n2"), "can only create pods with spec.nodeName set to itself"),
        (lambda p: p["metadata"].pop("ownerReferences"), "with an owner reference set to itself"),
        (lambda p: p["metadata"]["ownerReferences"][0].update(uid="u"), f"UID mismatch: expected u got {uid}"),
        (lambda p: p["spec"].update(uses(secret={"secretName": "s"})), "can not create pods that reference secrets"),
        (lambda p: p["spec"].update(serviceAccountName="default"), "that reference serviceaccounts"),
    ]
    for change, why in cases:
        body = mirror("b")
        change(body)
        error = await node1.error("POST", PODS, body)
        assert (error.code, why in error.message) == (403, True), error
    # The mirror gives the node nothing to read, even if another writer made it refer to a Secret.
    assert await status(api, NODE1, "GET", f"{SECRETS}/s") == 403


@story
async def test_a_node_asks_for_tokens_of_its_own_pods_only(api: Api) -> None:
    mine, other = await run_on(api, "n1", "a"), await run_on(api, "n2", "b")
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"

    def bound(found: Tree, **more: Any) -> Tree:
        meta = found["metadata"]
        ref = {"kind": "Pod", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]}
        return {"spec": {"boundObjectRef": ref} | more}

    node1 = replace(api, user=NODE1)
    assert (await node1.ok("POST", path, bound(mine)))["status"]["token"]
    for body, why in (
        (bound(other), "node requested token bound to a pod scheduled on a different node"),
        ({"spec": {}}, "node requested token not bound to a pod"),
        (bound(mine, audiences=["vault"]), 'audience "vault" not found in pod spec volume, system:node:n1 is not'),
        (bound(mine, audiences=["a", "b"]), "node may only request 0 or 1 audiences"),
    ):
        error = await node1.error("POST", path, body)
        assert (error.code, why in error.message) == (403, True), error
    without = bound(mine)
    del without["spec"]["boundObjectRef"]["uid"]
    assert "pod binding without a uid" in (await node1.error("POST", path, without)).message
    assert await status(api, NODE1, "POST", path.replace("/default/token", "/admin/token"), bound(mine)) == 403
    assert await status(api, NODE1, "GET", path.removesuffix("/token")) == 200
    assert await status(api, user("system:node:n3", "system:nodes"), "GET", path.removesuffix("/token")) == 403

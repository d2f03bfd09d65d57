"""Classes of runtimes, storage and Ingresses: what they add to objects; storage objects that are protected in use."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from .harness import MERGE, PODS, Api, Tree, pod, story

RUNTIMES = "/apis/node.k8s.io/v1/runtimeclasses"
STORAGE = "/apis/storage.k8s.io/v1/storageclasses"
CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"


def claim(name: str, **spec: Any) -> Tree:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": name}, "spec": wanted | spec}


def storage_class(name: str, *, default: bool = False, **more: Any) -> Tree:
    marks = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "annotations": marks}, "provisioner": "example.com/x"} | more


async def gone(api: Api, path: str) -> None:
    """Waits until an object is removed."""
    collection, _, name = path.rpartition("/")
    stream = await api.watch(collection, resourceVersion="0", fieldSelector=f"metadata.name={name}")
    while (await api.call("GET", path)).status != 404:
        pieces = await asyncio.wait_for(stream.next(), 30)
        assert all(msgspec.json.decode(piece)["type"] for piece in pieces)
    stream.close()


@story
async def test_a_runtime_class_adds_its_overhead_and_its_scheduling(api: Api) -> None:
    toleration = {"key": "vm", "operator": "Exists", "effect": "NoSchedule"}
    sent = {
        "metadata": {"name": "vm"},
        "handler": "vm",
        "overhead": {"podFixed": {"memory": "64Mi"}},
        "scheduling": {"nodeSelector": {"vm": "yes"}, "tolerations": [toleration]},
    }
    await api.ok("POST", RUNTIMES, sent)
    made = await api.ok("POST", PODS, pod("a", runtimeClassName="vm", nodeSelector={"disk": "ssd"}))
    assert made["spec"]["overhead"] == {"memory": "64Mi"}
    assert made["spec"]["nodeSelector"] == {"disk": "ssd", "vm": "yes"}
    assert toleration in made["spec"]["tolerations"]

    async def refusal(**spec: Any) -> str:
        error = await api.error("POST", PODS, pod("b", **spec))
        assert error.code == 403
        return error.message.removeprefix('pods "b" is forbidden: ')

    assert await refusal(runtimeClassName="none") == 'pod rejected: RuntimeClass "none" not found'
    text = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
    assert await refusal(runtimeClassName="vm", overhead={"memory": "1Mi"}) == text
    text = "conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no"
    assert await refusal(runtimeClassName="vm", nodeSelector={"vm": "no"}) == text
    text = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
    assert await refusal(overhead={"memory": "1Mi"}) == text


@story
async def test_claims_get_the_newest_default_storage_class(api: Api) -> None:
    assert "storageClassName" not in (await api.ok("POST", CLAIMS, claim("none")))["spec"]
    await api.ok("POST", STORAGE, storage_class("old", default=True))
    api.clock.advance(10)
    for name in ("b", "a"):
        await api.ok("POST", STORAGE, storage_class(name, default=True))
    await api.ok("POST", STORAGE, storage_class("other"))
    assert (await api.ok("POST", CLAIMS, claim("x")))["spec"]["storageClassName"] == "a"
    assert (await api.ok("POST", CLAIMS, claim("y", storageClassName="")))["spec"]["storageClassName"] == ""


@story
async def test_ingresses_get_the_default_class(api: Api) -> None:
    marks = {"ingressclass.kubernetes.io/is-default-class": "true"}
    backend = {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}
    await api.ok(
        "POST", CLASSES, {"metadata": {"name": "c", "annotations": marks}, "spec": {"controller": "example.com/c"}}
    )
    made = await api.ok("POST", INGRESSES, {"metadata": {"name": "a"}, "spec": backend})
    assert made["spec"]["ingressClassName"] == "c"
    old = {"metadata": {"name": "b", "annotations": {"kubernetes.io/ingress.class": "d"}}, "spec": backend}
    assert "ingressClassName" not in (await api.ok("POST", INGRESSES, old))["spec"]


@story
async def test_a_claim_grows_if_it_is_bound_and_its_class_permits_it(api: Api) -> None:
    await api.ok("POST", STORAGE, storage_class("fixed"))
    await api.ok("POST", STORAGE, storage_class("growing", allowVolumeExpansion=True))
    larger = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}

    async def refusal(name: str) -> str:
        error = await api.error("PATCH", f"{CLAIMS}/{name}", larger, content_type=MERGE)
        assert error.code == 403, error
        return error.message

    async def bind(name: str) -> None:
        await api.ok("PATCH", f"{CLAIMS}/{name}/status", {"status": {"phase": "Bound"}}, content_type=MERGE)

    for kind in ("fixed", "growing"):
        await api.ok("POST", CLAIMS, claim(kind, storageClassName=kind))
        await bind(kind)
    assert (await refusal("fixed")).endswith("the storageclass that provisions the pvc must support resize")
    await api.ok("PATCH", f"{CLAIMS}/growing", larger, content_type=MERGE)


@story
async def test_a_claim_stays_while_a_pod_uses_it(api: Api) -> None:
    made = await api.ok("POST", CLAIMS, claim("data"))
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    await api.ok("POST", PODS, pod("user", volumes=volumes, nodeName="n"))
    await api.ok("DELETE", f"{CLAIMS}/data")
    assert (await api.ok("GET", f"{CLAIMS}/data"))["metadata"]["deletionTimestamp"]
    await api.ok("DELETE", f"{PODS}/user", query={"gracePeriodSeconds": "0"})
    await gone(api, f"{CLAIMS}/data")
    await api.ok("POST", CLAIMS, claim("unused"))
    await api.ok("DELETE", f"{CLAIMS}/unused")
    await gone(api, f"{CLAIMS}/unused")


@story
async def test_a_volume_stays_while_it_is_bound(api: Api) -> None:
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    await api.ok("POST", VOLUMES, {"metadata": {"name": "v"}, "spec": spec})
    await api.ok("PATCH", f"{VOLUMES}/v/status", {"status": {"phase": "Bound"}}, content_type=MERGE)
    await api.ok("DELETE", f"{VOLUMES}/v")
    assert (await api.ok("GET", f"{VOLUMES}/v"))["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
    await api.ok("PATCH", f"{VOLUMES}/v/status", {"status": {"phase": "Released"}}, content_type=MERGE)
    await gone(api, f"{VOLUMES}/v")

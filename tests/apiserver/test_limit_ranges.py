"""LimitRanges: defaults of containers, and refusals in upstream's words."""

from __future__ import annotations

from typing import Any

from .harness import PODS, Api, Tree, pod, story
from .test_quotas import CLAIMS, resources

RANGES = "/api/v1/namespaces/default/limitranges"


def limit_range(type: str, **limits: Any) -> Tree:
    return {"metadata": {"name": type.lower()}, "spec": {"limits": [{"type": type, **limits}]}}


async def refusal(api: Api, path: str, body: Tree) -> str:
    error = await api.error("POST", path, body)
    assert error.code == 403
    return error.message.partition(" is forbidden: ")[2]


@story
async def test_containers_get_the_defaults_that_they_leave_out(api: Api) -> None:
    limits = {"default": {"cpu": "500m", "memory": "1Gi"}, "defaultRequest": {"cpu": "100m"}}
    await api.ok("POST", RANGES, limit_range("Container", **limits))
    init = [{"name": "init", "image": "x", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}}]
    made = await api.ok("POST", PODS, pod("a", initContainers=init))
    assert made["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "500m", "memory": "1Gi"},
        "requests": {"cpu": "100m", "memory": "1Gi"},
    }
    assert made["spec"]["initContainers"][0]["resources"] == {
        "limits": {"cpu": "1", "memory": "1Gi"},
        "requests": {"cpu": "1", "memory": "1Gi"},
    }
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, memory request for container web; cpu, memory limit for container web; "
        "memory request for init container init; memory limit for init container init"
    )


@story
async def test_containers_outside_of_the_bounds_are_refused(api: Api) -> None:
    bounds = {"min": {"cpu": "100m"}, "max": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "2"}}
    await api.ok("POST", RANGES, limit_range("Container", **bounds))

    async def why(request: str, limit: str) -> str:
        return await refusal(api, PODS, pod("a", containers=resources({"cpu": request}, {"cpu": limit})))

    assert await why("50m", "100m") == "minimum cpu usage per Container is 100m, but request is 50m"
    assert await why("600m", "1200m") == "maximum cpu usage per Container is 1, but limit is 1200m"
    ratio = "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000"
    assert await why("200m", "800m") == ratio
    both = "minimum cpu usage per Container is 100m, but request is 50m"
    assert await why("50m", "2") == (
        f"[{both}, maximum cpu usage per Container is 1, but limit is 2, "
        "cpu max limit to request ratio per Container is 2, but provided ratio is 40.000000]"
    )
    await api.ok("POST", PODS, pod("a", containers=resources({"cpu": "500m"}, {"cpu": "1"})))


@story
async def test_a_pod_is_measured_as_a_whole(api: Api) -> None:
    await api.ok("POST", RANGES, limit_range("Pod", max={"cpu": "1"}))
    assert await refusal(api, PODS, pod("a")) == "maximum cpu usage per Pod is 1.  No limit is specified"
    two = [resources({"cpu": "600m"}, {"cpu": "600m"})[0] | {"name": name} for name in ("a", "b")]
    assert await refusal(api, PODS, pod("a", containers=two)) == "maximum cpu usage per Pod is 1, but limit is 1200m"


@story
async def test_claims_are_measured_by_what_they_request(api: Api) -> None:
    def claim(size: str) -> Tree:
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
        return {"metadata": {"name": "a"}, "spec": spec}

    await api.ok("POST", RANGES, limit_range("PersistentVolumeClaim", min={"storage": "1Gi"}, max={"storage": "2Gi"}))
    kind = "storage usage per PersistentVolumeClaim is"
    assert await refusal(api, CLAIMS, claim("1Mi")) == f"minimum {kind} 1Gi, but request is 1Mi"
    assert await refusal(api, CLAIMS, claim("3Gi")) == f"maximum {kind} 2Gi, but request is 3Gi"
    await api.ok("POST", CLAIMS, claim("2Gi"))


@story
async def test_a_deleted_range_has_no_more_effect(api: Api) -> None:
    await api.ok("POST", RANGES, limit_range("Pod", max={"cpu": "1"}))
    await api.error("POST", PODS, pod("a"))
    await api.ok("DELETE", f"{RANGES}/pod")
    await api.ok("POST", PODS, pod("a"))

"""Evictions and the budgets that refuse them. The controller of budgets does not run here: tests write their status."""

from __future__ import annotations

from typing import Any

import pytest

from .harness import PODS, Api, pod, story

BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


async def running(api: Api, name: str = "a", *, ready: bool = True) -> None:
    await api.ok("POST", PODS, pod(name, nodeName="n1") | {"metadata": {"name": name, "labels": {"app": "web"}}})
    found = await api.ok("GET", f"{PODS}/{name}")
    found["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    await api.ok("PUT", f"{PODS}/{name}/status", found)


async def budget(api: Api, name: str = "web", *, spec: dict[str, Any] | None = None, **status: Any) -> None:
    fields = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}} | (spec or {})
    made = await api.ok("POST", BUDGETS, {"metadata": {"name": name}, "spec": fields})
    counts = {"currentHealthy": 0, "desiredHealthy": 1, "disruptionsAllowed": 0, "expectedPods": 1}
    made["status"] = counts | {"observedGeneration": 1} | status
    await api.ok("PUT", f"{BUDGETS}/{name}/status", made)


async def is_going(api: Api, name: str = "a") -> bool:
    return "deletionTimestamp" in (await api.ok("GET", f"{PODS}/{name}"))["metadata"]


@story
async def test_an_eviction_takes_an_allowed_disruption_and_marks_the_pod(api: Api) -> None:
    await running(api)
    await budget(api, disruptionsAllowed=1, currentHealthy=2)
    await api.ok("POST", f"{PODS}/a/eviction", {})
    status = (await api.ok("GET", f"{BUDGETS}/web"))["status"]
    assert (status["disruptionsAllowed"], list(status["disruptedPods"])) == (0, ["a"])
    assert [(c["type"], c["status"], c["reason"]) for c in status["conditions"]] == [
        ("DisruptionAllowed", "False", "InsufficientPods")
    ]
    conditions = (await api.ok("GET", f"{PODS}/a"))["status"]["conditions"]
    (target,) = [c for c in conditions if c["type"] == "DisruptionTarget"]
    assert (target["status"], target["reason"], target["message"]) == (
        "True",
        "EvictionByEvictionAPI",
        "Eviction API: evicting",
    )
    assert await is_going(api)


@pytest.mark.parametrize(
    ("status", "message", "wait_s"),
    [
        ({"currentHealthy": 1}, "The disruption budget web needs 1 healthy pods and has 1 currently", None),
        ({"currentHealthy": 2}, "The disruption budget web does not allow evicting pods currently", None),
        ({"observedGeneration": 0}, "The disruption budget web is still being processed by the server.", 10),
        (
            {
                "conditions": [
                    {
                        "type": "DisruptionAllowed",
                        "status": "False",
                        "reason": "SyncFailed",
                        "message": "x",
                        "lastTransitionTime": "2023-11-14T22:13:20Z",
                    }
                ]
            },
            "The disruption budget web does not allow evicting pods currently because it failed sync: x",
            None,
        ),
    ],
)
def test_a_budget_refuses_in_upstreams_words(status: dict[str, Any], message: str, wait_s: int | None) -> None:
    @story
    async def told(api: Api) -> None:
        await running(api)
        await budget(api, **status)
        error = await api.error("POST", f"{PODS}/a/eviction", {})
        assert (error.code, error.reason, error.message) == (429, "TooManyRequests", REFUSED)
        assert error.details["causes"] == [{"reason": "DisruptionBudget", "message": message}]
        assert error.details.get("retryAfterSeconds") == wait_s
        assert not await is_going(api)

    told()


@story
async def test_a_pod_of_two_budgets_cannot_be_evicted(api: Api) -> None:
    await running(api)
    for name in ("web", "other"):
        await budget(api, name, disruptionsAllowed=1)
    error = await api.error("POST", f"{PODS}/a/eviction", {})
    text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    assert (error.code, error.message) == (500, text)


@pytest.mark.parametrize(
    ("policy", "healthy", "code"),
    [(None, 1, 201), (None, 0, 429), ("IfHealthyBudget", 0, 429), ("AlwaysAllow", 0, 201)],
)
def test_the_policy_decides_about_pods_that_are_not_ready(policy: str | None, healthy: int, code: int) -> None:
    @story
    async def told(api: Api) -> None:
        await running(api, ready=False)
        spec = {"unhealthyPodEvictionPolicy": policy} if policy else {}
        await budget(api, spec=spec, currentHealthy=healthy)
        assert (await api.call("POST", f"{PODS}/a/eviction", {})).status == code
        assert (await api.ok("GET", f"{BUDGETS}/web"))["status"].get("disruptedPods") is None
        assert await is_going(api) == (code == 201)

    told()


@story
async def test_a_pod_that_has_not_started_or_has_ended_is_not_counted_by_a_budget(api: Api) -> None:
    await budget(api)
    for name, phase in (("a", "Pending"), ("b", "Succeeded"), ("c", "Failed")):
        await running(api, name)
        found = await api.ok("GET", f"{PODS}/{name}")
        found["status"]["phase"] = phase
        await api.ok("PUT", f"{PODS}/{name}/status", found)
        await api.ok("POST", f"{PODS}/{name}/eviction", {})


@story
async def test_a_dry_run_asks_the_budget_and_changes_nothing(api: Api) -> None:
    await running(api)
    await budget(api, disruptionsAllowed=1, currentHealthy=2)
    await api.ok("POST", f"{PODS}/a/eviction", {"deleteOptions": {"dryRun": ["All"]}})
    assert (await api.ok("GET", f"{BUDGETS}/web"))["status"]["disruptionsAllowed"] == 1
    assert not await is_going(api)
    assert all(
        c["type"] != "DisruptionTarget" for c in (await api.ok("GET", f"{PODS}/a"))["status"].get("conditions", [])
    )


@story
async def test_a_precondition_that_does_not_hold_leaves_the_budget_and_the_pod_alone(api: Api) -> None:
    await running(api)
    await budget(api, disruptionsAllowed=1, currentHealthy=2)
    for precondition in ({"uid": "x"}, {"resourceVersion": "1"}):
        error = await api.error("POST", f"{PODS}/a/eviction", {"deleteOptions": {"preconditions": precondition}})
        assert error.code == 409
    assert (await api.ok("GET", f"{BUDGETS}/web"))["status"]["disruptionsAllowed"] == 1
    version = (await api.ok("GET", f"{PODS}/a"))["metadata"]["resourceVersion"]
    await api.ok("POST", f"{PODS}/a/eviction", {"deleteOptions": {"preconditions": {"resourceVersion": version}}})
    assert await is_going(api)

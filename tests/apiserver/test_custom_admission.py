"""Admission of objects whose kinds definitions declare: webhooks, policies and quotas see them as any others."""

from __future__ import annotations

import asyncio
from typing import Any

from .customresources import GROUP, OBJECTS, crontab, define, version
from .harness import Api, story
from .test_admission_registration import (
    BINDINGS,
    MUTATING,
    MUTATING_BINDINGS,
    MUTATING_POLICIES,
    POLICIES,
    binding,
    mutating_policy,
    policy,
)
from .test_policies import checked
from .test_webhooks import allow, hook, patching

RULE = {"operations": ["*"], "apiGroups": [GROUP], "apiVersions": ["v1"], "resources": ["crontabs", "crontabs/*"]}


@story
async def test_a_webhook_changes_custom_objects_which_are_pruned_afterwards(api: Api) -> None:
    await define(api)
    patch: list[dict[str, Any]] = [
        {"op": "add", "path": "/spec/image", "value": "by-webhook"},
        {"op": "add", "path": "/spec/unknown", "value": 1},
    ]
    async with hook(api, patching(*patch), path=MUTATING, rules=[RULE]) as server:
        made = await api.ok("POST", OBJECTS, crontab("a", cron="* *"))
    assert made["spec"] == {"cron": "* *", "image": "by-webhook", "replicas": 1}
    (review,) = server.reviews
    request = review["request"]
    assert request["kind"] == {"group": GROUP, "version": "v1", "kind": "CronTab"}
    assert request["object"]["spec"] == {"cron": "* *", "replicas": 1}


@story
async def test_a_webhook_about_another_version_sees_objects_in_that_version(api: Api) -> None:
    await define(api, version("v1"), version("v2", storage=False))
    sent = crontab("a", cron="* *") | {"apiVersion": f"{GROUP}/v2"}
    async with hook(api, allow, rules=[RULE]) as server:
        made = await api.ok("POST", OBJECTS.replace("/v1/", "/v2/"), sent)
    assert made["apiVersion"] == f"{GROUP}/v2"
    (review,) = server.reviews
    request = review["request"]
    assert (request["resource"]["version"], request["requestResource"]["version"]) == ("v1", "v2")
    assert request["object"]["apiVersion"] == f"{GROUP}/v1"


@story
async def test_policies_hold_custom_objects_and_their_types_are_checked(api: Api) -> None:
    await define(api)
    constraints = {"resourceRules": [RULE]}
    validations = [{"expression": "object.spec.replicas < 5"}, {"expression": "!has(object.spec.maxRetries)"}]
    await api.ok("POST", POLICIES, policy("p", matchConstraints=constraints, validations=validations))
    await api.ok("POST", BINDINGS, binding("b"))
    await api.ok("POST", OBJECTS, crontab("a", replicas=4))
    error = await api.error("POST", OBJECTS, crontab("b", replicas=5))
    assert error.message.endswith("denied request: failed expression: object.spec.replicas < 5")
    (warning,) = await checked(api, "p")
    assert (warning["fieldRef"], "undefined field 'maxRetries'" in warning["warning"]) == (
        "spec.validations[1].expression",
        True,
    )


@story
async def test_a_mutating_policy_applies_to_custom_objects(api: Api) -> None:
    await define(api)
    apply = {"expression": "Object{spec: Object.spec{image: 'by-policy', jobs: [Object.spec.jobs{name: 'j'}]}}"}
    mutations = [{"patchType": "ApplyConfiguration", "applyConfiguration": apply}]
    rule = RULE | {"operations": ["CREATE"], "resources": ["crontabs"]}
    sent = mutating_policy("p", mutations=mutations, matchConstraints={"resourceRules": [rule]})
    await api.ok("POST", MUTATING_POLICIES, sent)
    await api.ok("POST", MUTATING_BINDINGS, {"metadata": {"name": "b"}, "spec": {"policyName": "p"}})
    made = await api.ok("POST", OBJECTS, crontab("a", cron="* *"))
    assert made["spec"] == {"cron": "* *", "image": "by-policy", "jobs": [{"name": "j", "every": "1h"}], "replicas": 1}


@story
async def test_a_quota_counts_custom_objects(api: Api) -> None:
    await define(api)
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {f"count/crontabs.{GROUP}": "2"}}}
    await api.ok("POST", "/api/v1/namespaces/default/resourcequotas", quota)
    answers = await asyncio.gather(*(api.call("POST", OBJECTS, crontab(f"c{i}")) for i in range(9)))
    assert sorted(answer.status for answer in answers) == [201] * 2 + [403] * 7

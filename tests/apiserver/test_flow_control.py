"""FlowSchema and PriorityLevelConfiguration: refusals in upstream's words, columns, the objects of every cluster."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from fairlead.api.flowcontrol.autoupdate import AUTO_UPDATE, MANDATORY
from fairlead.api.flowcontrol.flowschema.bootstrap import flow_schemas
from fairlead.api.flowcontrol.prioritylevelconfiguration.bootstrap import priority_levels

from .harness import MERGE, Api, Tree, story
from .test_storage_classes import causes, named, row

ROOT = "/apis/flowcontrol.apiserver.k8s.io/v1"
SCHEMAS, LEVELS = f"{ROOT}/flowschemas", f"{ROOT}/prioritylevelconfigurations"
USER = {"kind": "User", "user": {"name": "ann"}}
RESOURCES = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["default"]}
PATHS = {"verbs": ["get"], "nonResourceURLs": ["/metrics"]}


def schema(name: str = "ann", **spec: Any) -> Tree:
    rule = {"subjects": [USER], "resourceRules": [RESOURCES], "nonResourceRules": [PATHS]}
    return named(name, spec={"priorityLevelConfiguration": {"name": "mine"}, "rules": [rule]} | spec)


def level(name: str = "mine", **limited: Any) -> Tree:
    return named(
        name, spec={"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}} | limited}
    )


async def sync(api: Api) -> None:
    await api.server._background.flow_control.sync()


@story
async def test_a_flow_schema_and_a_level_have_upstreams_defaults_and_columns(api: Api) -> None:
    made = await api.ok("POST", SCHEMAS, schema())
    assert (made["spec"]["matchingPrecedence"], made["metadata"]["generation"]) == (1000, 1)
    head = ["Name", "PriorityLevel", "MatchingPrecedence", "DistinguisherMethod", "Age", "MissingPL"]
    assert await row(api, f"{SCHEMAS}/ann") == (head, ["ann", "mine", 1000, "<none>", "0s", "?"])
    made = await api.ok("POST", LEVELS, level())
    queuing = {"queues": 64, "handSize": 8, "queueLengthLimit": 50}
    assert made["spec"]["limited"] == {
        "nominalConcurrencyShares": 30,
        "limitResponse": {"type": "Queue", "queuing": queuing},
        "lendablePercent": 0,
    }
    head = ["Name", "Type", "NominalConcurrencyShares", "Queues", "HandSize", "QueueLengthLimit", "Age"]
    assert await row(api, f"{LEVELS}/mine") == (head, ["mine", "Limited", 30, 64, 8, 50, "0s"])


@pytest.mark.parametrize(
    ("spec", "path", "text"),
    [
        ({"matchingPrecedence": -1}, "matchingPrecedence", "Invalid value: -1: must be a positive value"),
        ({"matchingPrecedence": 10001}, "matchingPrecedence", "Invalid value: 10001: must not be greater than 10000"),
        (
            {"matchingPrecedence": 1},
            "matchingPrecedence",
            "Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
        ),
        (
            {"distinguisherMethod": {"type": "ByMood"}},
            "distinguisherMethod.type",
            'Unsupported value: {"type":"ByMood"}: supported values: "ByNamespace", "ByUser"',
        ),
        (
            {"priorityLevelConfiguration": {"name": ""}},
            "priorityLevelConfiguration.name",
            "Required value: must reference a priority level",
        ),
    ],
)
def test_a_wrong_flow_schema_is_refused_in_upstreams_words(spec: Tree, path: str, text: str) -> None:
    @story
    async def check(api: Api) -> None:
        assert causes(await api.error("POST", SCHEMAS, schema(**spec))) == [(f"spec.{path}", text)]

    check()


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        ({"subjects": []}, "subjects", "Required value: subjects must contain at least one value"),
        (
            {"resourceRules": [], "nonResourceRules": []},
            "",
            "Required value: at least one of resourceRules and nonResourceRules has to be non-empty",
        ),
        (
            {"subjects": [{"kind": "Ship"}]},
            "subjects[0].kind",
            'Unsupported value: "Ship": supported values: "Group", "ServiceAccount", "User"',
        ),
        (
            {"subjects": [{"kind": "Group"}]},
            "subjects[0].group",
            "Required value: group is required when subject kind is 'Group'",
        ),
        (
            {"subjects": [USER | {"group": {"name": "a"}}]},
            "subjects[0].group",
            "Forbidden: group is forbidden when subject kind is not 'Group'",
        ),
        ({"subjects": [{"kind": "User", "user": {"name": ""}}]}, "subjects[0].user.name", "Required value"),
        (
            {"subjects": [{"kind": "ServiceAccount", "serviceAccount": {"name": "*", "namespace": ""}}]},
            "subjects[0].serviceAccount.namespace",
            "Required value: must specify namespace for service account",
        ),
        (
            {"resourceRules": [RESOURCES | {"verbs": ["*", "get"]}]},
            "resourceRules[0].verbs",
            'Invalid value: ["*","get"]: if \'*\' is present, must not specify other verbs',
        ),
        (
            {"resourceRules": [RESOURCES | {"apiGroups": []}]},
            "resourceRules[0].apiGroups",
            "Required value: resource rules must supply at least one api group",
        ),
        (
            {"resourceRules": [RESOURCES | {"namespaces": []}]},
            "resourceRules[0].namespaces",
            "Required value: resource rules that are not cluster scoped must supply at least one namespace",
        ),
        (
            {"nonResourceRules": [PATHS | {"nonResourceURLs": ["/a*"]}]},
            "nonResourceRules[0].nonResourceURLs[0]",
            'Invalid value: "/a*": wildcard can only do suffix matching',
        ),
        (
            {"nonResourceRules": [PATHS | {"nonResourceURLs": ["a"]}]},
            "nonResourceRules[0].nonResourceURLs[0]",
            'Invalid value: "a": must start with slash',
        ),
    ],
)
def test_a_wrong_rule_of_a_flow_schema_is_refused_in_upstreams_words(rule: Tree, path: str, text: str) -> None:
    @story
    async def check(api: Api) -> None:
        body = schema()
        body["spec"]["rules"][0] |= rule
        where = f"spec.rules[0].{path}" if path else "spec.rules[0]"
        assert causes(await api.error("POST", SCHEMAS, body)) == [(where, text)]

    check()


@pytest.mark.parametrize(
    ("spec", "path", "text"),
    [
        ({"type": "Limited"}, "limited", "Required value: must not be empty when type is Limited"),
        (
            {"type": "Odd"},
            "type",
            'Unsupported value: "Odd": supported values: "Exempt", "Limited"',
        ),
        (
            {"type": "Limited", "limited": {"limitResponse": {"type": "Queue"}}},
            "limited.limitResponse.queuing",
            "Required value: must not be empty if limited.limitResponse.type is Limited",
        ),
        (
            {"type": "Limited", "limited": {"limitResponse": {"type": "Reject", "queuing": {}}}},
            "limited.limitResponse.queuing",
            "Forbidden: must be nil if limited.limitResponse.type is not Limited",
        ),
        (
            {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}, "lendablePercent": 101}},
            "limited.lendablePercent",
            "Invalid value: 101: must be between 0 and 100, inclusive",
        ),
        (
            {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}, "borrowingLimitPercent": -1}},
            "limited.borrowingLimitPercent",
            "Invalid value: -1: if specified, must be a non-negative integer",
        ),
    ],
)
def test_a_wrong_priority_level_is_refused_in_upstreams_words(spec: Tree, path: str, text: str) -> None:
    @story
    async def check(api: Api) -> None:
        assert causes(await api.error("POST", LEVELS, named("mine", spec=spec))) == [(f"spec.{path}", text)]

    check()


@pytest.mark.parametrize(
    ("queuing", "field", "text"),
    [
        ({"queues": -1}, "queues", "Invalid value: -1: must be positive"),
        ({"queues": 10_000_001}, "queues", "Invalid value: 10000001: must not be greater than 10000000"),
        ({"queueLengthLimit": -1}, "queueLengthLimit", "Invalid value: -1: must be positive"),
        ({"queues": 4, "handSize": 5}, "handSize", "Invalid value: 5: should not be greater than queues (4)"),
        (
            {"queues": 64, "handSize": 11},
            "handSize",
            "Invalid value: 11: required entropy bits of deckSize 64 and handSize 11 should not be greater than 60",
        ),
    ],
)
def test_queues_of_a_level_are_checked_as_for_shuffle_sharding(queuing: Tree, field: str, text: str) -> None:
    @story
    async def check(api: Api) -> None:
        error = await api.error("POST", LEVELS, level(limitResponse={"type": "Queue", "queuing": queuing}))
        assert (f"spec.limited.limitResponse.queuing.{field}", text) in causes(error)

    check()


@story
async def test_every_cluster_has_upstreams_schemas_and_levels(api: Api) -> None:
    await sync(api)
    levels = {one["metadata"]["name"]: one for one in (await api.ok("GET", LEVELS))["items"]}
    schemas = {one["metadata"]["name"]: one for one in (await api.ok("GET", SCHEMAS))["items"]}
    assert levels.keys() == {one.metadata.name for one in priority_levels()}
    assert schemas.keys() == {one.metadata.name for one in flow_schemas()}
    assert (len(levels), len(schemas)) == (8, 11)
    assert {one["spec"]["priorityLevelConfiguration"]["name"] for one in schemas.values()} == levels.keys()
    assert {c["status"] for one in schemas.values() for c in one["status"]["conditions"]} == {"False"}
    before = api.revision
    await sync(api)
    assert api.revision == before


@story
async def test_a_schema_without_its_level_is_dangling_until_the_level_is_made(api: Api) -> None:
    await api.ok("POST", SCHEMAS, schema())
    await sync(api)
    (condition,) = (await api.ok("GET", f"{SCHEMAS}/ann"))["status"]["conditions"]
    text = 'This FlowSchema references the PriorityLevelConfiguration object named "mine" but there is no such object'
    assert (condition["type"], condition["status"], condition["reason"]) == ("Dangling", "True", "NotFound")
    assert condition["message"] == text
    await api.ok("POST", LEVELS, level())
    await sync(api)
    assert (await row(api, f"{SCHEMAS}/ann"))[1][-1] == "False"


@story
async def test_mandatory_objects_are_fixed_but_for_the_settings_of_the_exempt_level(api: Api) -> None:
    await sync(api)
    for path, name in [(path, name) for path in (SCHEMAS, LEVELS) for name in sorted(MANDATORY)]:
        await api.ok("DELETE", f"{path}/{name}")
    await sync(api)
    change: Tree = {"spec": {"matchingPrecedence": 9}}
    ((path, text),) = causes(await api.error("PATCH", f"{SCHEMAS}/catch-all", change, content_type=MERGE))
    assert (path, text.endswith("spec of 'catch-all' must equal the fixed value")) == ("spec", True)
    change = {"spec": {"limited": {"nominalConcurrencyShares": 6}}}
    ((path, text),) = causes(await api.error("PATCH", f"{LEVELS}/catch-all", change, content_type=MERGE))
    assert (path, text.endswith("spec of 'catch-all' must equal the fixed value")) == ("spec", True)
    change = {"spec": {"exempt": {"nominalConcurrencyShares": 6}}}
    await api.ok("PATCH", f"{LEVELS}/exempt", change, content_type=MERGE)
    await sync(api)
    assert (await api.ok("GET", f"{LEVELS}/exempt"))["spec"]["exempt"]["nominalConcurrencyShares"] == 6


@story
async def test_a_suggested_object_is_restored_unless_its_annotation_forbids_it(api: Api) -> None:
    await sync(api)
    change: Tree = {"spec": {"limited": {"nominalConcurrencyShares": 1}}}

    async def shares_after(annotation: str | None) -> int:
        body = change | {"metadata": {"annotations": {AUTO_UPDATE: annotation}}}
        await api.ok("PATCH", f"{LEVELS}/system", body, content_type=MERGE)
        await sync(api)
        found: int = (await api.ok("GET", f"{LEVELS}/system"))["spec"]["limited"]["nominalConcurrencyShares"]
        return found

    assert await shares_after("true") == 30
    assert await shares_after("false") == 1
    assert await shares_after(None) == 1  # a later generation is a user's
    annotations = (await api.ok("GET", f"{LEVELS}/system"))["metadata"]["annotations"]
    assert annotations == {AUTO_UPDATE: "false"}


async def _written(api: Api) -> list[Tree]:
    """Returns the objects without the fields that differ for each creation."""
    items: list[Tree] = [item for path in (LEVELS, SCHEMAS) for item in (await api.ok("GET", path))["items"]]
    for item in items:
        del item["metadata"]["uid"], item["metadata"]["resourceVersion"]
    return items


@story
async def test_the_prepared_objects_of_a_new_cluster_are_those_of_an_ordinary_creation(api: Api) -> None:
    await sync(api)
    prepared = await _written(api)
    for item in prepared:
        path = SCHEMAS if "rules" in item["spec"] else LEVELS
        await api.ok("DELETE", f"{path}/{item['metadata']['name']}")
    await api.server._background.flow_control.sync_each()
    assert await _written(api) == prepared


@pytest.mark.slow
def test_a_new_cluster_has_its_flow_schemas_without_their_types() -> None:
    code = (
        "import asyncio, sys\n"
        "from tests.apiserver.harness import start\n"
        "async def main():\n"
        "    api = await start()\n"
        "    for _ in range(2):\n"
        "        await api.server._background.flow_control.sync()\n"
        "    assert len((await api.ok('GET', '/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas'))['items']) == 11\n"
        "    print(*[m for m in sys.modules if m.startswith('fairlead.api.flowcontrol.') and m.count('.') > 3])\n"
        "    await api.server.stop()\n"
        "asyncio.run(main())\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []

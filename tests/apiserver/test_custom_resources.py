"""Custom resources: objects of the kinds that definitions declare behave as built-in ones."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import StatusError

from .customresources import (
    DEFINITIONS,
    GROUP,
    NAME,
    OBJECTS,
    SPEC,
    crontab,
    define,
    definition,
    gone,
    schema,
    settle,
    version,
)
from .harness import Api, brief, events, start, story

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"


def causes(error: StatusError) -> list[str]:
    assert error.code == 422, error
    return [f"{cause['field']}: {cause['message']}" for cause in error.details["causes"]]


@story
async def test_a_definition_is_established_and_its_kind_served_and_discovered_at_once(api: Api) -> None:
    crd = await define(api)
    assert {one["type"]: (one["status"], one["reason"]) for one in crd["status"]["conditions"]} == {
        "NamesAccepted": ("True", "NoConflicts"),
        "Established": ("True", "InitialNamesAccepted"),
    }
    assert crd["status"]["acceptedNames"]["listKind"] == "CronTabList"
    assert crd["status"]["storedVersions"] == ["v1"]
    found = (await api.ok("GET", f"/apis/{GROUP}/v1"))["resources"]
    assert [(one["name"], one["kind"], one.get("shortNames")) for one in found] == [("crontabs", "CronTab", ["cr"])]
    aggregated = await api.ok(
        "GET", "/apis", accept="application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    )
    assert GROUP in [item["metadata"]["name"] for item in aggregated["items"]]
    document = await api.ok("GET", f"/openapi/v3/apis/{GROUP}/v1")
    described = document["components"]["schemas"]["com.example.stable.v1.CronTab"]
    assert described["properties"]["spec"]["properties"]["replicas"]["maximum"] == 10
    assert described["x-kubernetes-group-version-kind"] == [{"group": GROUP, "version": "v1", "kind": "CronTab"}]
    older = (await api.ok("GET", "/openapi/v2"))["definitions"]["com.example.stable.v1.CronTab"]
    assert older["properties"]["metadata"]["$ref"].endswith("v1.ObjectMeta")
    listed = await api.ok("GET", OBJECTS)
    assert (listed["kind"], listed["items"]) == ("CronTabList", [])


@story
async def test_a_new_definition_has_all_fields_that_clients_require(api: Api) -> None:
    versions = (version("v1", storage=True), version("v2", storage=False, served=False))
    made = await api.ok("POST", DEFINITIONS, definition(*versions))
    assert made["status"]["acceptedNames"] == {"plural": "", "kind": ""}
    assert [(one["served"], one["storage"]) for one in made["spec"]["versions"]] == [(True, True), (False, False)]


@story
async def test_the_older_openapi_describes_a_kind_with_unknown_fields_as_any_object(api: Api) -> None:
    openapi = {"type": "object", "description": "Anything.", "x-kubernetes-preserve-unknown-fields": True}
    await define(api, version(openapi=openapi))
    older = (await api.ok("GET", "/openapi/v2"))["definitions"]["com.example.stable.v1.CronTab"]
    gvk = {"group": GROUP, "version": "v1", "kind": "CronTab"}
    assert older == {"type": "object", "x-kubernetes-group-version-kind": [gvk]}
    newer = (await api.ok("GET", f"/openapi/v3/apis/{GROUP}/v1"))["components"]["schemas"]
    described = newer["com.example.stable.v1.CronTab"]
    assert described["description"] == "Anything."
    assert described["properties"]["apiVersion"]["description"].startswith("APIVersion defines ")


@story
async def test_the_metadata_of_a_custom_object_is_described_by_the_phrases_that_upstreams_conformance_asks_for(
    api: Api,
) -> None:
    await define(api)
    schemas = (await api.ok("GET", f"/openapi/v3/apis/{GROUP}/v1"))["components"]["schemas"]
    described = schemas["com.example.stable.v1.CronTab"]["properties"]["metadata"]
    assert "Standard object's metadata" in described["description"]
    meta = schemas["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]["properties"]["creationTimestamp"]
    assert "CreationTimestamp is a timestamp" in json.dumps(meta)


@story
async def test_objects_are_pruned_and_get_defaults(api: Api) -> None:
    await define(api)
    made = await api.ok(
        "POST",
        OBJECTS,
        crontab(
            cron="* *", unknown=1, any={"x": {"y": 1}}, port="http", note=None, image=None, jobs=[{"name": "j", "z": 1}]
        ),
        query={"fieldValidation": "Ignore"},
    )
    assert made["spec"] == {
        "cron": "* *",
        "replicas": 1,
        "any": {"x": {"y": 1}},
        "port": "http",
        "note": None,
        "jobs": [{"name": "j", "every": "1h"}],
    }
    assert made["metadata"]["generation"] == 1
    error = await api.error(
        "POST", OBJECTS, crontab("b", unknown=1, jobs=[{"name": "j", "z": 1}]), query={"fieldValidation": "Strict"}
    )
    text = 'strict decoding error: unknown field "spec.jobs[0].z", unknown field "spec.unknown"'
    assert (error.code, str(error).partition(": ")[2]) == (400, text)
    warned = await api.call("POST", OBJECTS, crontab("b", unknown=1), query={"fieldValidation": "Warn"})
    assert warned.headers["warning"] == '299 - "unknown field \\"spec.unknown\\""'


@story
async def test_objects_are_validated_with_upstreams_texts(api: Api) -> None:
    await define(api)
    error = await api.error(
        "POST",
        OBJECTS,
        crontab(cron="x", replicas=11, image=1, port=1.5, jobs=[{}, {"name": "a"}, {"name": "a"}], tags=["x", "x"]),
    )
    assert sorted(causes(error)) == [
        "spec.cron: Invalid value: \"x\": spec.cron in body should match '^[0-9* ]+$'",
        'spec.image: Invalid value: "integer": spec.image in body must be of type string: "integer"',
        "spec.jobs[0].name: Required value",
        'spec.jobs[2]: Duplicate value: {"name":"a"}',
        'spec.port: Invalid value: "number": spec.port in body must be of type integer,string: "number"',
        "spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10",
        'spec.tags[1]: Duplicate value: "x"',
    ]
    assert str(error).startswith(f'CronTab.{GROUP} "a" is invalid: [')


@story
async def test_rules_in_cel_see_the_old_object(api: Api) -> None:
    rules = [
        {"rule": "self.replicas <= 5 || has(self.image)", "message": "many replicas need an image"},
        {"rule": "self.replicas >= oldSelf.replicas", "messageExpression": "'fewer than ' + oldSelf.cron"},
    ]
    spec = SPEC | {"x-kubernetes-validations": rules}
    await define(api, version(openapi=schema(spec)))
    error = await api.error("POST", OBJECTS, crontab(replicas=6))
    assert causes(error) == ["spec: Invalid value: many replicas need an image"]
    await api.ok("POST", OBJECTS, crontab(replicas=3, cron="1 1"))
    error = await api.error("PATCH", f"{OBJECTS}/a", {"spec": {"replicas": 2}}, content_type=MERGE)
    assert causes(error) == ["spec: Invalid value: fewer than 1 1"]
    assert (await api.ok("PATCH", f"{OBJECTS}/a", {"spec": {"replicas": 4}}, content_type=MERGE))["spec"][
        "replicas"
    ] == 4


@story
async def test_stricter_rules_do_not_refuse_what_is_unchanged(api: Api) -> None:
    await define(api)
    await api.ok("POST", OBJECTS, crontab(replicas=9, image="x"))
    spec = SPEC | {
        "properties": SPEC["properties"] | {"replicas": {"type": "integer", "maximum": 5}},
        "x-kubernetes-validations": [{"rule": "!has(self.image) || self.image != 'x'"}],
    }
    crd = await api.ok("GET", f"{DEFINITIONS}/{NAME}")
    crd["spec"]["versions"] = [version(openapi=schema(spec))]
    await api.ok("PUT", f"{DEFINITIONS}/{NAME}", crd)
    await settle(api)
    labelled = await api.ok("PATCH", f"{OBJECTS}/a", {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE)
    assert labelled["spec"]["replicas"] == 9
    error = await api.error("PATCH", f"{OBJECTS}/a", {"spec": {"replicas": 8}}, content_type=MERGE)
    assert causes(error) == [
        "spec.replicas: Invalid value: 8: spec.replicas in body should be less than or equal to 5",
        "spec: Invalid value: failed rule: !has(self.image) || self.image != 'x'",
    ]


@story
async def test_a_new_default_shows_in_objects_that_exist(api: Api) -> None:
    await define(api)
    await api.ok("POST", OBJECTS, crontab(cron="* *"))
    spec = SPEC | {"properties": SPEC["properties"] | {"image": {"type": "string", "default": "busybox"}}}
    crd = await api.ok("GET", f"{DEFINITIONS}/{NAME}")
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema(spec)
    stream = await api.watch(OBJECTS)
    await events(stream, 1)
    await api.ok("PUT", f"{DEFINITIONS}/{NAME}", crd)
    await settle(api)
    assert (await api.ok("GET", f"{OBJECTS}/a"))["spec"]["image"] == "busybox"
    await api.ok("POST", OBJECTS, crontab("b"))
    assert brief(await events(stream, 1)) == [("ADDED", "b")]
    again = await start(api.store)
    assert (await again.ok("GET", f"{OBJECTS}/a"))["spec"]["image"] == "busybox"
    await again.server.stop()


@story
async def test_apply_merges_lists_by_their_keys_and_sets_by_their_items(api: Api) -> None:
    await define(api)
    first = crontab(jobs=[{"name": "a", "every": "2h"}], tags=["x"])
    await api.ok("PATCH", f"{OBJECTS}/a", first, query={"fieldManager": "one"}, content_type=APPLY)
    second = crontab(jobs=[{"name": "b"}], tags=["y"])
    both = await api.ok("PATCH", f"{OBJECTS}/a", second, query={"fieldManager": "two"}, content_type=APPLY)
    assert both["spec"]["jobs"] == [{"name": "a", "every": "2h"}, {"name": "b", "every": "1h"}]
    assert both["spec"]["tags"] == ["x", "y"]
    owned = {entry["manager"]: entry["fieldsV1"]["f:spec"] for entry in both["metadata"]["managedFields"]}
    assert owned["one"]["f:jobs"] == {'k:{"name":"a"}': {".": {}, "f:every": {}, "f:name": {}}}
    clash = crontab(jobs=[{"name": "a", "every": "3h"}])
    error = await api.error("PATCH", f"{OBJECTS}/a", clash, query={"fieldManager": "two"}, content_type=APPLY)
    assert (error.code, error.details["causes"][0]["field"]) == (409, '.spec.jobs[name="a"].every')
    unknown = await api.error(
        "PATCH", f"{OBJECTS}/a", crontab(nope=1), query={"fieldManager": "two"}, content_type=APPLY
    )
    assert ".spec.nope: field not declared in schema" in str(unknown)
    free = crontab(any={"deep": {"er": 1}})
    assert (await api.ok("PATCH", f"{OBJECTS}/a", free, query={"fieldManager": "x"}, content_type=APPLY))["spec"]["any"]


@story
async def test_strategic_merge_is_refused(api: Api) -> None:
    await define(api)
    await api.ok("POST", OBJECTS, crontab())
    error = await api.error(
        "PATCH", f"{OBJECTS}/a", {"spec": {}}, content_type="application/strategic-merge-patch+json"
    )
    assert error.code == 415
    assert "application/strategic-merge-patch+json" not in str(error).partition("include")[2]
    patch = [{"op": "add", "path": "/spec/image", "value": "x"}]
    done = await api.ok("PATCH", f"{OBJECTS}/a", patch, content_type="application/json-patch+json")
    assert done["spec"]["image"] == "x"


@story
async def test_openapi_lists_the_patches_that_custom_objects_accept(api: Api) -> None:
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    await define(api, version(subresources={"status": {}, "scale": scale}))
    for document, where in ((f"/openapi/v3/apis/{GROUP}/v1", "requestBody"), ("/openapi/v2", "consumes")):
        paths = (await api.ok("GET", document))["paths"]
        patches = [tree["patch"] for path, tree in paths.items() if f"/{GROUP}/" in path and "patch" in tree]
        shown = [one["consumes"] if where == "consumes" else list(one[where]["content"]) for one in patches]
        assert shown == [["application/apply-patch+yaml", "application/json-patch+json", MERGE]] * 3


@story
async def test_status_and_scale_are_subresources(api: Api) -> None:
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    await define(api, version(subresources={"status": {}, "scale": scale}))
    body = crontab(replicas=2) | {"status": {"replicas": 9}}
    made = await api.ok("POST", OBJECTS, body)
    assert "status" not in made
    status = {
        "status": {"replicas": 1, "selector": "app=x"},
        "spec": {"replicas": 7},
        "metadata": {"labels": {"a": "b"}},
    }
    changed = await api.ok("PATCH", f"{OBJECTS}/a/status", status, content_type=MERGE)
    assert (changed["status"], changed["spec"]["replicas"]) == ({"replicas": 1, "selector": "app=x"}, 2)
    assert "labels" not in changed["metadata"]
    assert changed["metadata"]["generation"] == 1
    got = await api.ok("GET", f"{OBJECTS}/a/scale")
    assert (got["kind"], got["spec"], got["status"]) == ("Scale", {"replicas": 2}, {"replicas": 1, "selector": "app=x"})
    await api.ok("PATCH", f"{OBJECTS}/a/scale", {"spec": {"replicas": 3}}, content_type=MERGE)
    now = await api.ok("PATCH", f"{OBJECTS}/a", {"status": {"replicas": 8}}, content_type=MERGE)
    assert (now["spec"]["replicas"], now["status"]["replicas"], now["metadata"]["generation"]) == (3, 1, 2)


@story
async def test_tables_have_the_declared_columns_and_selectors_the_declared_fields(api: Api) -> None:
    columns = [
        {"name": "Cron", "type": "string", "jsonPath": ".spec.cron"},
        {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas", "priority": 1},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    fields = [{"jsonPath": ".spec.image"}]
    await define(api, version(additionalPrinterColumns=columns, selectableFields=fields))
    ready = {"status": {"conditions": [{"type": "Other", "status": "x"}, {"type": "Ready", "status": "True"}]}}
    await api.ok("POST", OBJECTS, crontab(cron="1 1", image="x") | ready)
    await api.ok("POST", OBJECTS, crontab("b", image="y"))
    table = await api.ok("GET", OBJECTS, accept=TABLE)
    assert [(one["name"], one["priority"]) for one in table["columnDefinitions"]] == [
        ("Name", 0), ("Cron", 0), ("Replicas", 1), ("Ready", 0), ("Age", 0),
    ]  # fmt: skip
    assert [row["cells"] for row in table["rows"]] == [["a", "1 1", 1, "True", "0s"], ["b", None, 1, None, "0s"]]
    found = await api.ok("GET", OBJECTS, query={"fieldSelector": "spec.image=y"})
    assert [item["metadata"]["name"] for item in found["items"]] == ["b"]
    assert (await api.error("GET", OBJECTS, query={"fieldSelector": "spec.cron=y"})).code == 400


@story
async def test_versions_share_objects_and_differ_in_schema(api: Api) -> None:
    newer = schema(SPEC | {"properties": {"cron": {"type": "string"}, "extra": {"type": "string", "default": "e"}}})
    await define(api, version("v1"), version("v2", newer, storage=False))
    await api.ok("POST", OBJECTS, crontab(cron="1 1"))
    other = OBJECTS.replace("/v1/", "/v2/")
    shown = await api.ok("GET", f"{other}/a")
    assert (shown["apiVersion"], shown["spec"]) == (f"{GROUP}/v2", {"cron": "1 1", "extra": "e"})
    stream = await api.watch(other)
    assert brief(await events(stream, 1)) == [("ADDED", "a")]
    await api.ok("PATCH", f"{other}/a", {"spec": {"cron": "2 2"}}, content_type=MERGE)
    (event,) = await events(stream, 1)
    assert event["object"]["apiVersion"] == f"{GROUP}/v2"
    assert (await api.ok("GET", f"{OBJECTS}/a"))["spec"]["cron"] == "2 2"
    crd = await api.ok("GET", f"{DEFINITIONS}/{NAME}")
    crd["spec"]["versions"] = [version("v1", storage=False), version("v2", newer)]
    changed = await api.ok("PUT", f"{DEFINITIONS}/{NAME}", crd)
    assert changed["status"]["storedVersions"] == ["v1", "v2"]
    await settle(api)
    assert (await api.ok("GET", f"{other}/a"))["spec"]["cron"] == "2 2"
    crd["spec"]["versions"] = [version("v2", newer)]
    crd["metadata"]["resourceVersion"] = (await api.ok("GET", f"{DEFINITIONS}/{NAME}"))["metadata"]["resourceVersion"]
    error = await api.error("PUT", f"{DEFINITIONS}/{NAME}", crd)
    assert "v1 was previously a storage version" in causes(error)[0]


class SlowRemoval:
    """A subscriber that holds up the removal of kinds."""

    def __init__(self) -> None:
        self.began, self.may_end = asyncio.Event(), asyncio.Event()

    async def kind_added(self, kind: Kind[Any]) -> None:
        pass

    async def kind_removed(self, kind: Kind[Any]) -> None:
        self.began.set()
        await self.may_end.wait()


@story
async def test_requests_wait_while_the_storage_version_changes(api: Api) -> None:
    await define(api, version("v1"), version("v2", storage=False))
    await api.ok("POST", OBJECTS, crontab(cron="1 1"))
    crd = await api.ok("GET", f"{DEFINITIONS}/{NAME}")
    crd["spec"]["versions"] = [version("v1", storage=False), version("v2")]
    slow = SlowRemoval()
    api.scheme._subscribers = {slow: None, **api.scheme._subscribers}  # the last one to hear of a removal
    await api.ok("PUT", f"{DEFINITIONS}/{NAME}", crd)
    await slow.began.wait()
    paths = [OBJECTS.replace("/v1/", f"/{name}/") for name in ("v1", "v2")]
    waiting = [asyncio.ensure_future(api.ok("GET", f"{path}/a")) for path in paths]
    assert (await api.error("GET", OBJECTS.replace("crontabs", "crontubs"))).code == 404
    slow.may_end.set()
    assert [shown["apiVersion"] for shown in await asyncio.gather(*waiting)] == [f"{GROUP}/v1", f"{GROUP}/v2"]


@story
async def test_names_in_use_are_not_accepted_until_they_are_free(api: Api) -> None:
    await define(api)
    await api.ok("POST", DEFINITIONS, definition(plural="cronjobbers", kind="CronTab"))
    crd = await settle(api, f"cronjobbers.{GROUP}")
    states = {one["type"]: (one["status"], one["reason"], one["message"]) for one in crd["status"]["conditions"]}
    assert states["NamesAccepted"] == ("False", "ListKindConflict", '"CronTabList" is already in use')
    assert states["Established"][0] == "False"
    assert (await api.call("GET", OBJECTS.replace("crontabs", "cronjobbers"))).status == 404


@story
async def test_a_definition_is_deleted_after_its_objects(api: Api) -> None:
    await define(api)
    await api.ok("POST", OBJECTS, crontab())
    held = crontab("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await api.ok("POST", OBJECTS, held)
    deleted = await api.ok("DELETE", f"{DEFINITIONS}/{NAME}")
    assert deleted["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    assert deleted["status"]["conditions"][-1]["reason"] == "InstanceDeletionPending"
    await gone(api, f"{OBJECTS}/a")
    for method, path, media, query in (
        ("POST", OBJECTS, "application/json", {}),
        ("PATCH", f"{OBJECTS}/new", APPLY, {"fieldManager": "me"}),
    ):
        error = await api.error(method, path, crontab("new"), content_type=media, query=query)
        assert (error.code, error.message) == (
            403,
            f'crontabs.{GROUP} "new" is forbidden: create not allowed while custom resource definition is terminating',
        )
    crd = await api.ok("GET", f"{DEFINITIONS}/{NAME}")
    assert crd["status"]["conditions"][-1]["reason"] == "InstanceDeletionInProgress"
    await api.ok("PATCH", f"{OBJECTS}/held", {"metadata": {"finalizers": None}}, content_type=MERGE)
    await gone(api, f"{DEFINITIONS}/{NAME}")
    await gone(api, OBJECTS)
    assert (await api.store.list(f"/registry/{GROUP}/")).records == []
    await define(api)
    assert (await api.ok("GET", OBJECTS))["items"] == []


@story
async def test_finalizers_of_custom_objects_and_definitions_need_no_prefix(api: Api) -> None:
    await define(api)
    held = crontab("held")
    held["metadata"]["finalizers"] = ["cleanup.example.com", "hold"]
    assert (await api.ok("POST", OBJECTS, held))["metadata"]["finalizers"] == ["cleanup.example.com", "hold"]
    await api.ok("DELETE", f"{DEFINITIONS}/{NAME}")
    labels = {"metadata": {"labels": {"a": "b"}}}
    changed = await api.ok("PATCH", f"{DEFINITIONS}/{NAME}", labels, content_type=MERGE)
    assert changed["metadata"]["labels"] == {"a": "b"}
    await api.ok("PATCH", f"{OBJECTS}/held", {"metadata": {"finalizers": None}}, content_type=MERGE)
    await gone(api, f"{DEFINITIONS}/{NAME}")
    wrong = {"metadata": {"name": "x", "finalizers": ["hold"]}}
    maps = "/api/v1/namespaces/default/configmaps"
    assert (await api.error("POST", maps, {"apiVersion": "v1", "kind": "ConfigMap", **wrong})).code == 422
    leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    await api.ok("POST", leases, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **wrong})


@story
async def test_definitions_and_objects_survive_a_restart(api: Api) -> None:
    await define(api)
    await api.ok("POST", OBJECTS, crontab(cron="1 1"))
    await api.ok("POST", OBJECTS, crontab("held") | {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}})
    again = await start(api.store)
    assert [item["metadata"]["name"] for item in (await again.ok("GET", OBJECTS))["items"]] == ["a", "held"]
    await again.ok("DELETE", f"{DEFINITIONS}/{NAME}")
    await again.server.stop()
    third = await start(api.store)
    await gone(third, f"{OBJECTS}/a")
    await third.ok("PATCH", f"{OBJECTS}/held", {"metadata": {"finalizers": None}}, content_type=MERGE)
    await gone(third, f"{DEFINITIONS}/{NAME}")
    await third.server.stop()


@story
async def test_deprecated_versions_warn(api: Api) -> None:
    await define(api, version(deprecated=True, deprecationWarning="use v2"))
    for answer in (await api.call("POST", OBJECTS, crontab()), await api.call("GET", f"{OBJECTS}/a")):
        assert answer.headers["warning"] == '299 - "use v2"'

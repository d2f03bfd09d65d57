"""Versions of custom resources that a webhook converts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from .customresources import DEFINITIONS, GROUP, NAME, OBJECTS, define, gone, schema, settle, version
from .harness import MERGE, Api, events, story
from .webhooks import Hook, serving

Tree = dict[str, Any]
OLD = f"{GROUP}/v1"
NEW = f"{GROUP}/v2"
NEWER_OBJECTS = OBJECTS.replace("/v1/", "/v2/")
ONE: Tree = {"type": "object", "properties": {"at": {"type": "string"}}}
TWO: Tree = {
    "type": "object",
    "properties": {
        "host": {"type": "string"},
        "port": {"type": "string"},
        "zone": {"type": "string", "default": "a"},
    },
}


def convert(obj: Tree, desired: str) -> Tree:
    """Version 1 has `at: host:port`, version 2 has two fields."""
    spec = dict(obj.get("spec", {}))
    if desired == NEW:
        spec["host"], _, spec["port"] = spec.pop("at", "").partition(":")
    else:
        spec = {"at": f"{spec.get('host', '')}:{spec.get('port', '')}"}
    labels = dict(obj["metadata"].get("labels", {})) | {"via": desired.rpartition("/")[2]}
    return obj | {"apiVersion": desired, "spec": spec, "metadata": obj["metadata"] | {"labels": labels}}


Answer = Callable[[list[Tree]], list[Tree]]


class Converter:
    """The webhook of the tests, which fails on request."""

    def __init__(self) -> None:
        self.server = Hook("", 0, None)  # type: ignore[arg-type]
        self.failure = ""
        self.change: Answer = lambda objects: objects
        self.reply: Tree = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        tree = await request.json()
        asked = tree["request"]
        done = self.change([convert(obj, asked["desiredAPIVersion"]) for obj in asked["objects"]])
        result = {"status": "Failed", "message": self.failure} if self.failure else {"status": "Success"}
        response = {"uid": asked["uid"], "result": result, "convertedObjects": done} | self.reply
        return web.json_response({"kind": tree["kind"], "apiVersion": tree["apiVersion"], "response": response})

    @property
    def asked(self) -> list[tuple[str, int]]:
        """The wanted version and the number of objects of each question."""
        requests = [one["request"] for one in self.server.reviews]
        return [(one["desiredAPIVersion"], len(one["objects"])) for one in requests]


def versions(*, stored: str = "v1") -> list[Tree]:
    return [
        version("v1", schema(ONE), storage=stored == "v1"),
        version("v2", schema(TWO), storage=stored == "v2", selectableFields=[{"jsonPath": ".spec.host"}]),
    ]


def conversion(hook: Hook, *accepted: str) -> Tree:
    config = {"url": f"{hook.url}/convert", "caBundle": hook.certificate.bundle}
    return {
        "strategy": "Webhook",
        "webhook": {"clientConfig": config, "conversionReviewVersions": list(accepted) or ["v1"]},
    }


@asynccontextmanager
async def converted(api: Api, *, stored: str = "v1", accepted: tuple[str, ...] = ()) -> AsyncIterator[Converter]:
    converter = Converter()
    async with serving(converter.handle) as converter.server:
        await define(api, *versions(stored=stored), conversion=conversion(converter.server, *accepted))
        yield converter


def tab(name: str = "a", *, api_version: str = OLD, **spec: str) -> Tree:
    spec = spec or {"at": "h:1"}
    return {"apiVersion": api_version, "kind": "CronTab", "metadata": {"name": name}, "spec": spec}


@story
async def test_objects_are_read_in_each_version_and_stored_in_one(api: Api) -> None:
    async with converted(api) as converter:
        await api.ok("POST", OBJECTS, tab("a", at="x:1"))
        await api.ok("POST", OBJECTS, tab("b", at="y:2"))
        assert converter.asked == []
        found = await api.ok("GET", f"{NEWER_OBJECTS}/a")
        assert found["apiVersion"] == NEW
        assert found["spec"] == {"host": "x", "port": "1", "zone": "a"}
        assert found["metadata"]["labels"] == {"via": "v2"}
        assert converter.asked == [(NEW, 2)]
        items = (await api.ok("GET", NEWER_OBJECTS, query={"fieldSelector": "spec.host=y"}))["items"]
        assert [one["metadata"]["name"] for one in items] == ["b"]
        assert len(converter.asked) == 1
        review = converter.server.reviews[0]
        assert (review["kind"], review["apiVersion"]) == ("ConversionReview", "apiextensions.k8s.io/v1")
        assert review["response"] == {"uid": "", "convertedObjects": None, "result": {"metadata": {}}}


@story
async def test_objects_are_written_through_each_version(api: Api) -> None:
    async with converted(api):
        made = await api.ok("POST", NEWER_OBJECTS, tab(api_version=NEW, host="h", port="1"))
        assert made["spec"] == {"host": "h", "port": "1", "zone": "a"}
        assert (await api.ok("GET", f"{OBJECTS}/a"))["spec"] == {"at": "h:1"}
        changed = await api.ok("PATCH", f"{NEWER_OBJECTS}/a", {"spec": {"port": "2"}}, content_type=MERGE)
        assert changed["spec"]["port"] == "2"
        assert changed["metadata"]["uid"] == made["metadata"]["uid"]
        assert (await api.ok("GET", f"{OBJECTS}/a"))["spec"] == {"at": "h:2"}
        dry = await api.ok("PUT", f"{NEWER_OBJECTS}/a", changed | {"spec": {"host": "z"}}, query={"dryRun": "All"})
        assert dry["spec"]["host"] == "z"
        await api.ok("DELETE", f"{NEWER_OBJECTS}/a")
        await gone(api, f"{OBJECTS}/a")
        await gone(api, f"{NEWER_OBJECTS}/a")


@story
async def test_a_watch_brings_the_version_that_was_asked_for(api: Api) -> None:
    async with converted(api) as converter:
        await api.ok("POST", OBJECTS, tab("a", at="x:1"))
        stream = await api.watch(NEWER_OBJECTS)
        (first,) = await events(stream, 1)
        converter.failure = "not now"
        await api.ok("PATCH", f"{OBJECTS}/a", {"spec": {"at": "x:2"}}, content_type=MERGE)
        await api.ok("DELETE", f"{OBJECTS}/a")
        converter.failure = ""
        async with asyncio.timeout(30):
            second, third = await events(stream, 2)
        assert [first["type"], second["type"], third["type"]] == ["ADDED", "MODIFIED", "DELETED"]
        assert [one["object"]["spec"]["port"] for one in (first, second, third)] == ["1", "2", "2"]


@story
async def test_failures_have_upstreams_texts(api: Api) -> None:
    async with converted(api) as converter:
        await api.ok("POST", OBJECTS, tab())
        who = f"conversion webhook for {OLD}, Kind=CronTab"
        converter.failure = "out of order"
        assert (await api.error("GET", f"{NEWER_OBJECTS}/a")).message == f"{who} failed: out of order"
        assert (await api.ok("GET", f"{OBJECTS}/a"))["spec"] == {"at": "h:1"}
        converter.failure = ""
        for change, text in (
            (lambda _: [], "returned 0 objects, expected 1"),
            (
                lambda objects: [one | {"apiVersion": OLD} for one in objects],
                f"returned invalid object at index 0: invalid groupVersion (expected {NEW}, received {OLD})",
            ),
            (
                lambda objects: [one | {"kind": "Tab"} for one in objects],
                "returned invalid object at index 0: invalid kind (expected CronTab, received Tab)",
            ),
            (
                lambda objects: [one | {"metadata": one["metadata"] | {"name": "b"}} for one in objects],
                "returned invalid object: must have the same name: a != b",
            ),
        ):
            converter.change = change
            assert (await api.error("GET", f"{NEWER_OBJECTS}/a")).message == f"{who} {text}"
        converter.change = lambda objects: objects
        converter.reply = {"uid": "x"}
        assert "failed: expected response.uid=" in (await api.error("GET", NEWER_OBJECTS)).message
        converter.reply = {"result": {}}
        error = await api.error("GET", NEWER_OBJECTS)
        assert error.message == f"{who} failed: response.result.status was '', not 'Success'"
        assert error.code == 500
        converter.reply = {}
        assert len((await api.ok("GET", NEWER_OBJECTS))["items"]) == 1


@story
async def test_an_object_that_cannot_be_converted_does_not_hide_the_others(api: Api) -> None:
    async with converted(api) as converter:
        for name in ("good", "bad", "fine"):
            await api.ok("POST", OBJECTS, tab(name))

        def refuse(objects: list[Tree]) -> list[Tree]:
            return [] if any(one["metadata"]["name"] == "bad" for one in objects) else objects

        converter.change = refuse
        assert (await api.ok("GET", f"{NEWER_OBJECTS}/good"))["spec"]["host"] == "h"
        assert (await api.error("GET", f"{NEWER_OBJECTS}/bad")).code == 500
        assert (await api.error("GET", NEWER_OBJECTS)).code == 500
        converter.change = lambda objects: objects
        items = (await api.ok("GET", NEWER_OBJECTS))["items"]
        assert [one["metadata"]["name"] for one in items] == ["bad", "fine", "good"]


@story
async def test_the_stored_version_changes_and_old_objects_stay_readable(api: Api) -> None:
    async with converted(api, accepted=("v9", "v1beta1")) as converter:
        await api.ok("POST", OBJECTS, tab("old", at="x:1"))
        await api.ok(
            "PATCH", f"{DEFINITIONS}/{NAME}", {"spec": {"versions": versions(stored="v2")}}, content_type=MERGE
        )
        await settle(api)
        assert (await api.ok("GET", f"{OBJECTS}/old"))["spec"] == {"at": "x:1"}
        assert converter.asked == []
        assert (await api.ok("GET", f"{NEWER_OBJECTS}/old"))["spec"]["host"] == "x"
        await api.ok("POST", OBJECTS, tab("new", at="y:2"))
        stored = await api.server._resources.store.list(f"/registry/{GROUP}/crontabs/")
        shown = {
            json.loads(one.value)["metadata"]["name"]: json.loads(one.value)["apiVersion"] for one in stored.records
        }
        assert shown == {"old": OLD, "new": NEW}
        assert {one["apiVersion"] for one in converter.server.reviews} == {"apiextensions.k8s.io/v1beta1"}


@story
async def test_a_definition_goes_without_its_webhook(api: Api) -> None:
    async with converted(api) as converter:
        await api.ok("POST", OBJECTS, tab(finalizers=""))
        await api.ok("GET", NEWER_OBJECTS)
        converter.failure = "gone"
        await api.ok("DELETE", f"{DEFINITIONS}/{NAME}")
        await gone(api, f"{DEFINITIONS}/{NAME}")


@story
async def test_a_webhook_takes_over_from_plain_versions_and_back(api: Api) -> None:
    converter = Converter()
    async with serving(converter.handle) as converter.server:
        await define(api, *versions())
        await api.ok("POST", OBJECTS, tab(at="x:1"))
        assert (await api.ok("GET", f"{NEWER_OBJECTS}/a"))["spec"] == {"zone": "a"}
        changes = {"spec": {"conversion": conversion(converter.server)}}
        await api.ok("PATCH", f"{DEFINITIONS}/{NAME}", changes, content_type=MERGE)
        await settle(api)
        assert (await api.ok("GET", f"{NEWER_OBJECTS}/a"))["spec"]["host"] == "x"
        changes = {"spec": {"conversion": {"strategy": "None", "webhook": None}}}
        await api.ok("PATCH", f"{DEFINITIONS}/{NAME}", changes, content_type=MERGE)
        await settle(api)
        assert (await api.ok("GET", f"{NEWER_OBJECTS}/a"))["spec"] == {"zone": "a"}

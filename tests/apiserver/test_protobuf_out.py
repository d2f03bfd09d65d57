"""Responses and watches in protobuf, read with Google's library."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from fairlead.api.core.pod.kind import POD
from fairlead.api.kinds import built_in
from fairlead.api.meta.responses import PartialObjectMetadata, Status
from fairlead.apiserver.model import Stream
from fairlead.apiserver.serialization.accept import negotiate
from fairlead.apiserver.serialization.protobuf import MEDIA_TYPE
from fairlead.apiserver.serialization.protobuf.convert import encoded
from fairlead.apiserver.serialization.protobuf.decode import parse_protobuf
from fairlead.apiserver.serialization.protobuf.numbers import table_of
from fairlead.machinery.schemas.schema import schema_of
from fairlead.runtime.client import Request, Response

from .harness import CONFIG_MAPS, MERGE, PODS, Api, config_map, handle, pod, story
from .protobufpeer import Peer, full_tree

KINDS = {f"{kind.api_version} {kind.kind}": kind for kind in built_in()}
ACCEPT = f"{MEDIA_TYPE},application/json"
METADATA = f"{MEDIA_TYPE};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"


RECURSIVE = "apiextensions.k8s.io/v1 CustomResourceDefinition"
"""The kind with a type that contains itself, which the peer cannot build; it has a test with the bytes."""


@pytest.mark.parametrize("name", [name for name in KINDS if name != RECURSIVE])
def test_an_object_with_every_field_is_the_same_in_protobuf(name: str) -> None:
    kind = KINDS[name]
    if table_of(kind.schema) is None:
        pytest.fail(f"{kind.schema.name} has no field numbers")
    tree = {"kind": kind.kind, "apiVersion": kind.api_version} | full_tree(kind.schema)
    body = encoded(msgspec.json.encode(tree), built_in())
    assert body is not None
    assert Peer(kind.schema).tree(body) == tree, "read with Google's library"
    assert parse_protobuf(body, kind.schema) == tree, "read by the server itself"


async def asked(api: Api, path: str, accept: str = ACCEPT, method: str = "GET", **more: Any) -> Response:
    return await api.call(method, path, accept=accept, **more)


@story
async def test_objects_lists_and_errors_come_in_protobuf(api: Api) -> None:
    for name in ("a", "b"):
        await api.ok("POST", PODS, pod(name))
    peer = Peer(POD.schema)
    one = await asked(api, f"{PODS}/a")
    assert one.headers["content-type"] == MEDIA_TYPE
    assert peer.tree(one.body) == await api.ok("GET", f"{PODS}/a")
    listed = await asked(api, PODS, query={"limit": "1"})
    plain = await api.ok("GET", PODS, query={"limit": "1"})
    unknown = peer.parse("Unknown", listed.body[4:])
    assert (unknown.typeMeta.kind, unknown.typeMeta.apiVersion) == ("PodList", "v1")
    assert plain["metadata"]["continue"].encode() in unknown.raw
    assert plain["items"][0]["metadata"]["uid"].encode() in unknown.raw
    missing = await asked(api, f"{PODS}/missing")
    status = Peer(schema_of(Status)).tree(missing.body)
    assert (missing.status, status["reason"], status["code"]) == (404, "NotFound", 404)
    assert status["details"] == {"name": "missing", "kind": "pods"}
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    deleted = await asked(api, f"{CONFIG_MAPS}/a", method="DELETE")
    assert Peer(schema_of(Status)).tree(deleted.body)["status"] == "Success"


@story
async def test_metadata_alone_comes_in_protobuf(api: Api) -> None:
    await api.ok("POST", PODS, pod("a"))
    peer = Peer(schema_of(PartialObjectMetadata))
    found = peer.tree((await asked(api, f"{PODS}/a", METADATA)).body)
    assert found["kind"] == "PartialObjectMetadata"
    assert found["metadata"] == (await api.ok("GET", f"{PODS}/a"))["metadata"]
    listed = peer.parse("Unknown", (await asked(api, PODS, METADATA)).body[4:])
    assert listed.typeMeta.kind == "PartialObjectMetadataList"


async def frames(stream: Stream, count: int) -> list[bytes]:
    found: list[bytes] = []
    data = b""
    while len(found) < count:
        pieces = await asyncio.wait_for(stream.next(), 30)
        assert pieces
        data += b"".join(pieces)
        while len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[:4], "big"):
            end = 4 + int.from_bytes(data[:4], "big")
            found.append(data[4:end])
            data = data[end:]
    assert not data
    return found


async def watch(api: Api, path: str, accept: str, **query: str) -> Stream:
    request = Request("GET", path, {"watch": "true"} | query, {"accept": accept})
    outcome = await handle(api.server, request)
    assert not isinstance(outcome, Response), outcome
    return outcome  # type: ignore[return-value]


@story
async def test_watch_events_are_frames_with_their_length(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    stream = await watch(api, CONFIG_MAPS, ACCEPT, fieldSelector="metadata.name=a", **query)
    assert stream.headers["content-type"] == f"{MEDIA_TYPE};stream=watch"
    changed = await api.ok("PATCH", f"{CONFIG_MAPS}/a", {"data": {"k": "v"}}, content_type=MERGE)
    await api.ok("DELETE", f"{CONFIG_MAPS}/a")
    peer = Peer(KINDS["v1 ConfigMap"].schema)
    events = [peer.parse("WatchEvent", frame) for frame in await frames(stream, 4)]
    assert [event.type for event in events] == ["ADDED", "BOOKMARK", "MODIFIED", "DELETED"]
    trees = [peer.tree(event.object.raw) for event in events]
    assert trees[1]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert trees[2] == changed
    stream.close()


@story
async def test_watchers_of_metadata_get_it_in_either_encoding(api: Api) -> None:
    binary = await watch(api, CONFIG_MAPS, METADATA)
    plain = await watch(api, CONFIG_MAPS, METADATA.partition(",")[0].replace(MEDIA_TYPE, "application/json"))
    made = await api.ok("POST", CONFIG_MAPS, config_map("a", {"app": "x"}, k="v"))
    peer = Peer(schema_of(PartialObjectMetadata))
    [frame] = await frames(binary, 1)
    line = msgspec.json.decode((await plain.next())[-1])
    assert line["object"] == peer.tree(peer.parse("WatchEvent", frame).object.raw)
    assert line["object"]["metadata"] == made["metadata"]
    for stream in (binary, plain):
        stream.close()


@story
async def test_an_expired_watch_ends_with_an_error_frame(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    cache = api.server._resources.of(KINDS["v1 ConfigMap"]).cache
    cache._floor = api.revision + 5
    stream = await watch(api, CONFIG_MAPS, ACCEPT, resourceVersion="1")
    peer = Peer(schema_of(Status))
    event = peer.parse("WatchEvent", (await frames(stream, 1))[0])
    assert (event.type, peer.tree(event.object.raw)["code"]) == ("ERROR", 410)


@story
async def test_yaml_is_served_if_asked_for(api: Api) -> None:
    import yaml

    await api.ok("POST", CONFIG_MAPS, config_map("a", k="yes"))
    found = await asked(api, f"{CONFIG_MAPS}/a", "application/yaml")
    assert found.headers["content-type"] == "application/yaml"
    tree = yaml.safe_load(found.body)
    assert (tree["kind"], tree["data"]) == ("ConfigMap", {"k": "yes"})
    refused = await asked(api, CONFIG_MAPS, "application/yaml", query={"watch": "true"})
    assert yaml.safe_load(refused.body)["message"] == (
        "only the following media types are accepted: application/json;stream=watch, "
        "application/vnd.kubernetes.protobuf;stream=watch"
    )


@story
async def test_nothing_is_written_for_a_client_that_accepts_no_answer(api: Api) -> None:
    assert (await api.error("POST", CONFIG_MAPS, config_map("a"), accept="text/html")).code == 406
    assert (await api.error("GET", f"{CONFIG_MAPS}/a")).code == 404


def test_the_preferred_type_of_the_accept_header_is_taken() -> None:
    assert negotiate(f"application/json;q=0.5, {MEDIA_TYPE}").encoding == "protobuf"
    assert negotiate(f"application/json, {MEDIA_TYPE}").encoding == "json"
    table = "as=Table;g=meta.k8s.io;v=v1"
    assert negotiate(f"{MEDIA_TYPE};{table},application/json;{table}") == ("Table", "json")
    assert negotiate(f"{MEDIA_TYPE},application/json", messages=False) == ("Object", "json")
    assert negotiate(METADATA, messages=False) == ("PartialObjectMetadata", "protobuf")


def test_a_schema_within_a_schema_and_its_other_forms_are_messages_of_two_fields() -> None:
    kind = KINDS[RECURSIVE]
    inner = {"type": "string", "x-kubernetes-int-or-string": True, "default": {"a": 1}}
    schema = {
        "type": "object",
        "maximum": 1.5,
        "properties": {
            "a": {"type": "array", "items": inner},
            "b": {"additionalProperties": True},
            "c": {"additionalProperties": inner},
        },
    }
    versions = [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]
    tree = {"kind": kind.kind, "apiVersion": kind.api_version, "spec": {"group": "g.example", "versions": versions}}
    body = encoded(msgspec.json.encode(tree), built_in())
    assert body is not None
    assert parse_protobuf(body, kind.schema) == tree
    text = b"*\x06string" + b'B\t\n\x07{"a":1}' + b"\xc0\x02\x01"  # type=5, default=8 (JSON), int-or-string=40
    assert bytes([0xC2, 0x01, len(text) + 2, 0x0A, len(text)]) in body, "items: schema=1"
    assert bytes([0xF2, 0x01, 2, 0x08, 1]) in body, "additionalProperties: allows=1"
    assert bytes([0xF2, 0x01, len(text) + 4, 0x08, 1, 0x12, len(text)]) in body, "additionalProperties: schema=2"

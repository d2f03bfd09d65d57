"""watch: every event once, in order, as the selector defines."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.meta.types import ObjectMeta
from fairlead.apiserver.watchcache.cache import RING_BYTES, KindCache
from fairlead.apiserver.watchcache.filter import parse_filter
from fairlead.apiserver.watchcache.watch import MAX_PENDING_BYTES, WatchStream
from fairlead.runtime.client import Request
from fairlead.store.model import Change

from .harness import CONFIG_MAPS, MERGE, PODS, Api, brief, config_map, events, handle, pod, start, story


@story
async def test_a_watch_without_a_version_starts_with_the_present_objects(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    for query in ({}, {"resourceVersion": "0"}):
        stream = await api.watch(CONFIG_MAPS, **query)
        assert brief(await events(stream, 1)) == [("ADDED", "a")]
        stream.close()


@story
async def test_a_watch_from_a_version_brings_all_that_came_after(api: Api) -> None:
    first = await api.ok("POST", CONFIG_MAPS, config_map("a"))
    await api.ok("PATCH", f"{CONFIG_MAPS}/a", {"data": {"k": "1"}}, content_type=MERGE)
    stream = await api.watch(CONFIG_MAPS, resourceVersion=first["metadata"]["resourceVersion"])
    deleted = await api.ok("DELETE", f"{CONFIG_MAPS}/a")
    await api.ok("POST", "/api/v1/namespaces/kube-system/configmaps", config_map("elsewhere"))
    await api.ok("POST", CONFIG_MAPS, config_map("b"))
    found = await events(stream, 3)
    assert brief(found) == [("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "b")]
    revisions = [int(event["object"]["metadata"]["resourceVersion"]) for event in found]
    assert revisions == sorted(set(revisions))
    assert revisions[1] == api.revision - 2
    assert deleted["status"] == "Success"


@story
async def test_objects_enter_and_leave_a_label_selection(api: Api) -> None:
    stream = await api.watch(CONFIG_MAPS, labelSelector="app=x")
    await api.ok("POST", CONFIG_MAPS, config_map("a", {"app": "y"}))
    for app in ("x", "x", "y", "y", "x"):
        patch = {"metadata": {"labels": {"app": app}}, "data": {"rev": str(api.revision)}}
        await api.ok("PATCH", f"{CONFIG_MAPS}/a", patch, content_type=MERGE)
    await api.ok("DELETE", f"{CONFIG_MAPS}/a")
    found = await events(stream, 5)
    assert [event["type"] for event in found] == ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]
    left = found[2]["object"]
    assert left["metadata"]["labels"] == {"app": "x"}, "the last state that matched"
    assert int(left["metadata"]["resourceVersion"]) > int(found[1]["object"]["metadata"]["resourceVersion"])


@story
async def test_pods_are_watched_by_node(api: Api) -> None:
    stream = await api.watch("/api/v1/pods", fieldSelector="spec.nodeName=n1")
    await api.ok("POST", PODS, pod("a"))
    await api.ok("POST", f"{PODS}/a/binding", {"target": {"kind": "Node", "name": "n1"}})
    assert brief(await events(stream, 1)) == [("ADDED", "a")]


@story
async def test_one_object_is_watched_by_name_or_by_the_old_path(api: Api) -> None:
    streams = [
        await api.watch(CONFIG_MAPS, fieldSelector="metadata.name=a"),
        await api.watch("/api/v1/watch/namespaces/default/configmaps/a"),
    ]
    await api.ok("POST", CONFIG_MAPS, config_map("b"))
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    for stream in streams:
        assert brief(await events(stream, 1)) == [("ADDED", "a")]


@story
async def test_a_version_from_before_the_start_is_expired(api: Api) -> None:
    restarted = await start(api.store)
    stream = await restarted.watch(CONFIG_MAPS, resourceVersion="1")
    (found,) = await events(stream, 1)
    assert found["type"] == "ERROR"
    assert (found["object"]["code"], found["object"]["reason"]) == (410, "Expired")
    assert found["object"]["message"] == f"too old resource version: 1 ({api.revision})"
    assert not await stream.next()
    await restarted.server.stop()


@story
async def test_bookmarks_go_to_those_who_want_them(api: Api) -> None:
    revision = str(api.revision)
    wants = await api.watch(CONFIG_MAPS, allowWatchBookmarks="true", resourceVersion=revision)
    does_not = await api.watch(CONFIG_MAPS, resourceVersion=revision)
    api.server._serving.watches.bookmark_all()
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    found = await events(wants, 2)
    assert [event["type"] for event in found] == ["BOOKMARK", "ADDED"]
    metadata = {"resourceVersion": revision}
    assert found[0]["object"] == {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata}
    assert brief(await events(does_not, 1)) == [("ADDED", "a")]


@story
async def test_a_streamed_list_ends_with_a_marked_bookmark(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    found = await events(await api.watch(CONFIG_MAPS, **query), 2)
    assert [event["type"] for event in found] == ["ADDED", "BOOKMARK"]
    assert found[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    error = await api.error("GET", CONFIG_MAPS, query={"watch": "1", "sendInitialEvents": "true"})
    assert error.code == 422


@story
async def test_tables_are_watched_too(api: Api) -> None:
    request = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    from fairlead.runtime.client import Request, Response

    outcome = await handle(api.server, Request("GET", CONFIG_MAPS, {"watch": "1"}, request), api.user)
    assert not isinstance(outcome, Response)
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    (found,) = await events(outcome, 1)  # type: ignore[arg-type]
    assert (found["type"], found["object"]["kind"]) == ("ADDED", "Table")
    assert found["object"]["rows"][0]["cells"][0] == "a"


@pytest.mark.slow
@story
async def test_a_watch_ends_after_its_timeout_and_at_the_end_of_the_server(api: Api) -> None:
    stream = await api.watch(CONFIG_MAPS, timeoutSeconds="1", resourceVersion=str(api.revision))
    assert await asyncio.wait_for(stream.next(), 30) == ()
    stream = await api.watch(CONFIG_MAPS, resourceVersion=str(api.revision))
    api.server._serving.watches.stop()
    assert await stream.next() == ()
    assert len(api.server._serving.watches) == 0


class Story:
    """A cache whose changes the test applies, and one watcher of the cache."""

    def __init__(self, labels: str = "", fields: str = "") -> None:
        self.cache = KindCache(CONFIG_MAP, ring_events=1000)
        self.revision = 0
        filter = parse_filter(CONFIG_MAP, "", "", labels, fields)
        self.filter = filter
        self.stream = WatchStream(self.cache, filter)

    def put(self, name: str, labels: dict[str, str], size: int = 0) -> None:
        data = {"k": "x" * size} if size else {}
        obj = ConfigMap(metadata=ObjectMeta(name=name, namespace="d", labels=labels), data=data)
        self.revision += 1
        value = self.cache.form.stored(obj)
        self.cache.apply(f"d/{name}", Change(f"/registry/configmaps/d/{name}", self.revision, value))

    def drop(self, name: str) -> None:
        if self.cache.get(f"d/{name}") is not None:
            self.revision += 1
            self.cache.apply(f"d/{name}", Change(f"/registry/configmaps/d/{name}", self.revision, None))


steps = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", None])), max_size=30)


@given(steps, st.integers(0, 30), st.sampled_from(["app=x", "app!=x", ""]))
@settings(deadline=None)
def test_a_watch_from_any_revision_leads_to_the_same_objects_as_a_list(
    steps: list[tuple[str, str | None]], start: int, labels: str
) -> None:
    story = Story(labels)
    seen: dict[str, Any] = {}
    started = False

    def begin() -> None:
        for entry in story.cache.select():
            if story.filter.matches(entry):
                seen[entry.name] = msgspec.json.decode(entry.raw)
        story.stream.start((), story.cache.since(story.revision))

    for i, (name, app) in enumerate(steps):
        if i == start:
            begin()
            started = True
        story.drop(name) if app is None else story.put(name, {"app": app})
    if not started:
        begin()
    for line in story.stream._pending:
        event = msgspec.json.decode(line)
        name = event["object"]["metadata"]["name"]
        assert (event["type"] == "ADDED") == (name not in seen)
        if event["type"] == "DELETED":
            del seen[name]
        else:
            seen[name] = event["object"]
    listed = [entry for entry in story.cache.select() if story.filter.matches(entry)]
    assert seen == {entry.name: msgspec.json.decode(entry.raw) for entry in listed}


def test_a_watcher_that_leaves_too_much_unread_is_dropped() -> None:
    story = Story()
    story.stream.start((), ())
    cut: list[bool] = []
    story.stream.on_overflow = lambda: cut.append(True)
    piece = 1 << 20
    for _ in range(MAX_PENDING_BYTES // piece + 1):
        story.put("a", {}, size=piece)
    assert cut == [True]
    assert story.cache.listeners == {}
    assert asyncio.run(story.stream.next()) == ()


def test_the_ring_drops_old_events_and_raises_the_floor() -> None:
    cache = KindCache(CONFIG_MAP, ring_events=3)
    story = Story()
    story.cache = cache
    for i in range(5):
        story.put("a", {"n": str(i)})
    assert cache.floor == 2
    assert [event.revision for event in cache.since(2)] == [3, 4, 5]


def test_the_ring_is_bounded_in_bytes_too() -> None:
    story = Story()
    for _ in range(40):
        story.put("a", {}, size=1 << 20)
    kept = list(story.cache.since(story.cache.floor))
    assert sum(len(event.entry.raw) for event in kept) <= RING_BYTES
    assert kept[-1].revision == 40


def test_the_version_is_spliced_in_first_and_can_be_changed() -> None:
    form = KindCache(CONFIG_MAP).form
    value = form.stored(ConfigMap(metadata=ObjectMeta(name="a", resourceVersion="9"), data={"k": "v"}))
    assert b"resourceVersion" not in value
    raw = form.splice(value, 42)
    assert raw.startswith(b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"42","name":"a"')
    assert form.respliced(raw, 7) == form.splice(value, 7)


@story
async def test_the_first_table_of_a_watch_defines_the_columns_and_a_bookmark_is_a_row(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    query = {"watch": "1", "sendInitialEvents": "1", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "1"}
    accept = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    stream: Any = await handle(api.server, Request("GET", CONFIG_MAPS, query, accept))
    await api.ok("POST", CONFIG_MAPS, config_map("b"))
    first, bookmark, later = await events(stream, 3)
    assert [column["name"] for column in first["object"]["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert later["object"]["columnDefinitions"] is None
    assert later["object"]["rows"][0]["cells"][0] == "b"
    assert (bookmark["type"], bookmark["object"]["kind"]) == ("BOOKMARK", "Table")
    [row] = bookmark["object"]["rows"]
    assert row["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    stream.close()

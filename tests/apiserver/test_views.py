"""Events in both versions: one history, one resourceVersion, either name for every field."""

from __future__ import annotations

from typing import Any

from .harness import JSON_PATCH, MERGE, Api, Tree, brief, events, story

OLD = "/api/v1/namespaces/default/events"
NEW = "/apis/events.k8s.io/v1/namespaces/default/events"
TIME = "2026-01-02T03:04:05.678901Z"


def old(name: str, **fields: Any) -> Tree:
    about = {"kind": "Service", "namespace": "default", "name": "web"}
    return {"metadata": {"name": name}, "involvedObject": about, "reason": "Tried", "message": "It was tried."} | fields


def new(name: str, **fields: Any) -> Tree:
    about = {"kind": "Service", "namespace": "default", "name": "web"}
    who = {"reportingController": "example.com/c", "reportingInstance": "c-0", "action": "Try"}
    what = {"type": "Normal", "reason": "Tried", "note": "It was tried.", "eventTime": TIME, "regarding": about}
    return {"metadata": {"name": name}} | who | what | fields


@story
async def test_an_event_of_the_core_group_is_seen_in_the_newer_form(api: Api) -> None:
    made = await api.ok("POST", OLD, old("e", count=3, lastTimestamp="2026-01-02T03:04:05Z", source={"host": "n"}))
    seen = await api.ok("GET", f"{NEW}/e")
    assert (seen["kind"], seen["apiVersion"]) == ("Event", "events.k8s.io/v1")
    assert seen["metadata"] == made["metadata"]
    assert seen["regarding"] == made["involvedObject"]
    assert (seen["note"], seen["reason"], seen["deprecatedCount"]) == ("It was tried.", "Tried", 3)
    assert seen["eventTime"] is None
    assert (seen["deprecatedLastTimestamp"], seen["deprecatedSource"]) == ("2026-01-02T03:04:05Z", {"host": "n"})
    listed = await api.ok("GET", NEW)
    assert (listed["kind"], listed["items"]) == (
        "EventList",
        [{key: value for key, value in seen.items() if key not in ("kind", "apiVersion")}],
    )


@story
async def test_an_event_of_the_newer_form_is_seen_in_the_core_group(api: Api) -> None:
    made = await api.ok("POST", NEW, new("e"))
    assert (made["apiVersion"], made["note"]) == ("events.k8s.io/v1", "It was tried.")
    seen = await api.ok("GET", f"{OLD}/e")
    assert (seen["apiVersion"], seen["message"]) == ("v1", "It was tried.")
    assert (seen["reportingComponent"], seen["eventTime"]) == ("example.com/c", TIME)
    assert seen["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


@story
async def test_both_forms_are_updated_patched_and_deleted_as_one(api: Api) -> None:
    await api.ok("POST", NEW, new("e"))
    series = {"count": 2, "lastObservedTime": TIME}
    changed = await api.ok("PATCH", f"{NEW}/e", {"series": series}, content_type=MERGE)
    assert (await api.ok("GET", f"{OLD}/e"))["series"] == series
    again = await api.ok("PUT", f"{NEW}/e", changed)
    assert again["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"], "nothing changed"
    patch = [{"op": "replace", "path": "/message", "value": "Again."}]
    await api.ok("PATCH", f"{OLD}/e", patch, content_type=JSON_PATCH)
    assert (await api.ok("GET", f"{NEW}/e"))["note"] == "Again."
    stale = await api.error("PUT", f"{NEW}/e", changed)
    assert stale.code == 409
    await api.ok("DELETE", f"{NEW}/e")
    assert (await api.error("GET", f"{OLD}/e")).message == 'events "e" not found'
    assert (await api.error("GET", f"{NEW}/e")).message == 'events.events.k8s.io "e" not found'


@story
async def test_either_form_is_watched(api: Api) -> None:
    first = await api.ok("POST", OLD, old("a"))
    stream = await api.watch(NEW, resourceVersion=first["metadata"]["resourceVersion"])
    selected = await api.watch(NEW, fieldSelector="regarding.name=web,reason=Tried")
    await api.ok("POST", OLD, old("b"))
    await api.ok("PATCH", f"{OLD}/a", {"message": "Again."}, content_type=MERGE)
    await api.ok("DELETE", f"{NEW}/b")
    found = await events(stream, 3)
    assert brief(found) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]
    assert {event["object"]["apiVersion"] for event in found} == {"events.k8s.io/v1"}
    assert found[1]["object"]["note"] == "Again."
    assert brief(await events(selected, 4)) == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


@story
async def test_a_new_event_of_events_k8s_io_needs_all_fields(api: Api) -> None:
    error = await api.error("POST", NEW, new("e", type="", eventTime=None, deprecatedCount=2, series={"count": 1}))
    assert error.message == (
        'Event.events.k8s.io "e" is invalid: [series.count: Invalid value: "": should be at least 2, '
        "series.lastObservedTime: Required value, eventTime: Required value, "
        'type: Invalid value: "": has invalid value: , count: Invalid value: "": needs to be unset]'
    )
    error = await api.error("POST", NEW, new("e", reportingInstance="", action="x" * 129))
    assert error.message == (
        'Event.events.k8s.io "e" is invalid: [reportingInstance: Required value, '
        'action: Invalid value: "": can have at most 128 characters]'
    )


@story
async def test_only_the_series_of_an_event_goes_on(api: Api) -> None:
    await api.ok("POST", NEW, new("e"))
    error = await api.error("PATCH", f"{NEW}/e", {"note": "x", "regarding": None}, content_type=MERGE)
    assert error.message == (
        'Event.events.k8s.io "e" is invalid: [involvedObject: Invalid value: {}: field is immutable, '
        'message: Invalid value: "x": field is immutable]'
    )

"""Priority classes: what is stored, refused and shown, and what Pods get of them."""

from __future__ import annotations

from typing import Any

from fairlead.machinery.status import StatusError

from .harness import Api, story

CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def priority_class(name: str, value: int = 10, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "value": value} | more


def causes(error: StatusError) -> list[tuple[str, str]]:
    assert error.code == 422
    return [(cause["field"], cause["message"]) for cause in error.details["causes"]]


@story
async def test_the_two_classes_of_the_system_exist_at_start_and_cannot_be_deleted(api: Api) -> None:
    found = {item["metadata"]["name"]: item for item in (await api.ok("GET", CLASSES))["items"]}
    assert {name: item["value"] for name, item in found.items()} == {
        "system-node-critical": 2_000_001_000,
        "system-cluster-critical": 2_000_000_000,
    }
    for name in found:
        error = await api.error("DELETE", f"{CLASSES}/{name}")
        text = "this is a system priority class and cannot be deleted"
        assert (error.code, str(error)) == (403, f'priorityclasses.scheduling.k8s.io "{name}" is forbidden: {text}')
    record = await api.store.list("/registry/priorityclasses/")
    assert len(record.records) == 2


@story
async def test_a_class_is_made_with_its_default_policy_and_shown_in_a_table(api: Api) -> None:
    made = await api.ok("POST", CLASSES, priority_class("high", description="for web pods"))
    assert made["preemptionPolicy"] == "PreemptLowerPriority"
    assert made["metadata"]["generation"] == 1
    table = await api.ok("GET", f"{CLASSES}/high", accept=TABLE)
    shown = [(c["name"], c["type"], c["priority"]) for c in table["columnDefinitions"]]
    assert shown == [
        ("Name", "string", 0),
        ("Value", "integer", 0),
        ("Global-Default", "boolean", 0),
        ("Age", "string", 0),
        ("PreemptionPolicy", "string", 0),
    ]
    assert table["rows"][0]["cells"] == ["high", 10, False, "0s", "PreemptLowerPriority"]
    zero = await api.ok("POST", CLASSES, priority_class("zero", 0))
    assert zero["value"] == 0


@story
async def test_names_and_values_of_the_system_are_reserved(api: Api) -> None:
    reserved = "Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: "
    error = await api.error("POST", CLASSES, priority_class("system-x"))
    assert causes(error) == [("metadata.name", reserved + "system-x is not a known system priority class")]
    error = await api.error("POST", CLASSES, priority_class("system-node-critical", 5))
    why = "value of system-node-critical PriorityClass must be 2000001000"
    assert causes(error) == [("metadata.name", reserved + why)]
    error = await api.error("POST", CLASSES, priority_class("system-node-critical", 2_000_001_000, globalDefault=True))
    why = "globalDefault of system-node-critical PriorityClass must be false"
    assert causes(error) == [("metadata.name", reserved + why)]
    error = await api.error("POST", CLASSES, priority_class("huge", 1_000_000_001))
    text = "Forbidden: maximum allowed value of a user defined priority is 1000000000"
    assert causes(error) == [("value", text)]
    await api.ok("POST", CLASSES, priority_class("highest", 1_000_000_000))


@story
async def test_a_policy_is_one_of_two(api: Api) -> None:
    error = await api.error("POST", CLASSES, priority_class("a", preemptionPolicy="Sometimes"))
    text = 'Unsupported value: "Sometimes": supported values: "Never", "PreemptLowerPriority"'
    assert causes(error) == [("preemptionPolicy", text)]
    error = await api.error("POST", CLASSES, priority_class("a", preemptionPolicy=""))
    assert causes(error) == [("preemptionPolicy", "Required value")]


@story
async def test_value_and_policy_of_a_class_never_change(api: Api) -> None:
    made = await api.ok("POST", CLASSES, priority_class("a"))
    error = await api.error("PUT", f"{CLASSES}/a", made | {"value": 11, "preemptionPolicy": "Never"})
    assert causes(error) == [
        ("value", "Forbidden: may not be changed in an update."),
        ("preemptionPolicy", 'Invalid value: "Never": field is immutable'),
    ]
    changed = await api.ok("PUT", f"{CLASSES}/a", made | {"description": "other"})
    assert (changed["description"], changed["metadata"]["generation"]) == ("other", 1)

"""Priority classes: storing, refusing and showing them, and their effect on Pods."""

from __future__ import annotations

from typing import Any

from fairlead.machinery.values.status import StatusError

from .harness import PODS, Api, pod, story

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


@story
async def test_a_pod_gets_priority_and_policy_of_the_class_it_names(api: Api) -> None:
    await api.ok("POST", CLASSES, priority_class("polite", 7, preemptionPolicy="Never"))
    made = await api.ok("POST", PODS, pod("a", priorityClassName="polite"))
    assert (made["spec"]["priority"], made["spec"]["preemptionPolicy"]) == (7, "Never")
    await api.ok("POST", PODS, pod("b", priorityClassName="polite", priority=7, preemptionPolicy="Never"))
    why = "must not be provided in pod spec; priority admission controller computed"
    tail = "from the given PriorityClass name"
    error = await api.error("POST", PODS, pod("c", priorityClassName="polite", priority=8))
    assert str(error) == f'pods "c" is forbidden: the integer value of priority (8) {why} 7 {tail}'
    more = {"priorityClassName": "polite", "preemptionPolicy": "PreemptLowerPriority"}
    error = await api.error("POST", PODS, pod("c", **more))
    text = f"the string value of PreemptionPolicy (PreemptLowerPriority) {why} Never {tail}"
    assert (error.code, str(error)) == (403, f'pods "c" is forbidden: {text}')


@story
async def test_a_pod_that_names_no_class_gets_the_default_class(api: Api) -> None:
    plain = await api.ok("POST", PODS, pod("a"))
    assert (plain["spec"]["priority"], "priorityClassName" in plain["spec"]) == (0, False)
    await api.ok("POST", CLASSES, priority_class("usual", 100, globalDefault=True))
    made = await api.ok("POST", PODS, pod("b"))
    assert (made["spec"]["priority"], made["spec"]["priorityClassName"]) == (100, "usual")
    await api.ok("DELETE", f"{CLASSES}/usual")
    error = await api.error("POST", PODS, pod("c", priorityClassName="usual"))
    assert str(error) == 'pods "c" is forbidden: no PriorityClass with name usual was found'
    again = await api.ok("POST", PODS, pod("c"))
    assert (again["spec"]["priority"], "priorityClassName" in again["spec"]) == (0, False)
    assert (await api.ok("GET", f"{PODS}/b"))["spec"]["priority"] == 100


@story
async def test_a_second_default_class_is_refused_on_create_and_on_update(api: Api) -> None:
    first = await api.ok("POST", CLASSES, priority_class("first", globalDefault=True))
    text = "PriorityClass first is already marked as default. Only one default can exist"
    error = await api.error("POST", CLASSES, priority_class("second", globalDefault=True))
    assert (error.code, str(error)) == (403, f'priorityclasses.scheduling.k8s.io "second" is forbidden: {text}')
    second = await api.ok("POST", CLASSES, priority_class("second"))
    error = await api.error("PUT", f"{CLASSES}/second", second | {"globalDefault": True})
    assert (error.code, str(error)) == (403, f'priorityclasses.scheduling.k8s.io "second" is forbidden: {text}')
    await api.ok("PUT", f"{CLASSES}/first", first | {"description": "still the default"})
    await api.ok("PATCH", f"{CLASSES}/first", {"globalDefault": False}, content_type="application/merge-patch+json")
    await api.ok("PUT", f"{CLASSES}/second", second | {"globalDefault": True})

"""Server-side apply as tables of what is applied over what, and its promises under any objects and managers."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fairlead.machinery.managedfields.apply import LAST_APPLIED, UNOWNED_TREE, Applied, Conflicts, Write, apply, track
from fairlead.machinery.managedfields.compare import compare, fields_of
from fairlead.machinery.managedfields.conform import problems
from fairlead.machinery.managedfields.fieldset import Fields, difference, field_set, paths, show
from fairlead.machinery.managedfields.managed import (
    ANCIENT,
    APPLY,
    BEFORE_FIRST_APPLY,
    MAX_UPDATERS,
    UPDATE,
    Managed,
    Owner,
    manager_name,
    name_problem,
)
from fairlead.machinery.managedfields.merging import merge
from fairlead.machinery.managedfields.newfields import text_of_new
from fairlead.machinery.managedfields.shape import shape_of
from fairlead.machinery.schemas.schema import schema_of
from tests.machinery.things import Thing

SHAPE = shape_of(schema_of(Thing))
Tree = dict[str, Any]


def thing(**spec: Any) -> Tree:
    head = {"kind": "Thing", "apiVersion": "test.example.com/v1", "metadata": {"name": "a"}}
    return head | {"spec": spec} if spec else head


def by(manager: str, **more: Any) -> Write:
    return replace(Write(SHAPE, manager, "v1", time="now"), **more)


def shown(fields: Fields) -> list[str]:
    return [show(path) for path in paths(fields)]


def owned(managed: Managed, manager: str, operation: str = APPLY) -> list[str]:
    return [
        show(p) for owner, found in managed.items() if owner[:2] == (operation, manager) for p in paths(found.fields)
    ]


def applied(*steps: tuple[str, Tree], live: Tree | None = None, force: bool = False) -> Applied:
    """Returns the state after each manager has applied its configuration, in this order."""
    state = Applied(live or {}, {})
    for manager, config in steps:
        state = apply(state.managed, state.tree, config, by(manager), force=force)
    return state


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"replicas": 3}, [".spec.replicas"]),
        ({"words": ["a", "b"]}, [".spec.words"]),
        ({"names": ["b", "a"]}, ['.spec.names[="a"]', '.spec.names[="b"]']),
        ({"selector": {"matchLabels": {"a": "b"}}}, [".spec.selector"]),
        ({"data": {"x": "", "a": "b"}}, [".spec.data.a", ".spec.data.x"]),
        ({"data": {}}, [".spec.data"]),
        ({"strategy": {"rolling": {"surge": 1}}}, [".spec.strategy.rolling.surge"]),
        ({"strategy": {}}, [".spec.strategy"]),
        (
            {"ports": [{"port": 443, "protocol": "UDP"}, {"port": 80, "protocol": "TCP", "name": "x"}]},
            [
                '.spec.ports[port=80,protocol="TCP"]',
                '.spec.ports[port=80,protocol="TCP"].name',
                '.spec.ports[port=80,protocol="TCP"].port',
                '.spec.ports[port=80,protocol="TCP"].protocol',
                '.spec.ports[port=443,protocol="UDP"]',
                '.spec.ports[port=443,protocol="UDP"].port',
                '.spec.ports[port=443,protocol="UDP"].protocol',
            ],
        ),
        ({"ports": []}, []),
        ({"replicas": None}, [".spec.replicas"]),
    ],
)
def test_an_applied_configuration_owns_leaves_keys_and_items(spec: Tree, expected: list[str]) -> None:
    assert owned(applied(("me", thing(**spec))).managed, "me") == expected


@pytest.mark.parametrize(
    ("old", "new", "changed", "removed"),
    [
        ({"replicas": 1}, {"replicas": 2}, [".spec.replicas"], []),
        ({"replicas": 1}, {}, [], [".spec.replicas"]),
        ({}, {"data": {"a": "b"}}, [".spec.data", ".spec.data.a"], []),
        ({"data": {"a": "b"}}, {"data": {"c": "d"}}, [".spec.data.c"], [".spec.data.a"]),
        ({"words": ["a"]}, {"words": ["b"]}, [".spec.words"], []),
        ({"names": ["a", "b"]}, {"names": ["b", "c"]}, ['.spec.names[="c"]'], ['.spec.names[="a"]']),
        ({"names": ["a", "b"]}, {"names": ["b", "a"]}, [], []),
        (
            {"volumes": [{"name": "a", "host": "x"}]},
            {"volumes": [{"name": "b"}, {"name": "a", "host": "y"}]},
            ['.spec.volumes[name="a"].host', '.spec.volumes[name="b"]', '.spec.volumes[name="b"].name'],
            [],
        ),
        ({"names": ["a", "a"]}, {"names": ["a"]}, ['.spec.names[="a"]'], []),
    ],
)
def test_a_comparison_names_what_is_new_different_or_gone(
    old: Tree, new: Tree, changed: list[str], removed: list[str]
) -> None:
    found = compare({"spec": old}, {"spec": new}, SHAPE)
    assert (shown(found[0]), shown(found[1])) == (changed, removed)


@pytest.mark.parametrize(
    ("live", "config", "expected"),
    [
        (["a", "b"], ["c"], ["a", "b", "c"]),
        (["a", "x"], ["n", "x"], ["a", "n", "x"]),
        (["x", "b", "y"], ["y", "x"], ["b", "y", "x"]),
        (["x", "y", "b"], ["y", "x", "n"], ["y", "b", "x", "n"]),
        (["a", "a"], ["a"], ["a"]),
        ([], ["a", "b"], ["a", "b"]),
        (["a"], [], ["a"]),
    ],
)
def test_merged_lists_follow_the_configurations_order(live: list[str], config: list[str], expected: list[str]) -> None:
    assert merge(thing(names=live), thing(names=config), SHAPE)["spec"]["names"] == expected
    items = [[{"name": name} for name in names] for names in (live, config, expected)]
    assert merge(thing(volumes=items[0]), thing(volumes=items[1]), SHAPE)["spec"]["volumes"] == items[2]


def test_merging_keeps_what_is_not_configured() -> None:
    live = thing(ports=[{"port": 80, "protocol": "TCP", "target": 1, "name": "x"}], replicas=2, words=["a"])
    config = thing(ports=[{"port": 80, "protocol": "TCP", "target": 2}], words=["b"])
    spec = merge(live, config, SHAPE)["spec"]
    assert spec == {
        "ports": [{"port": 80, "protocol": "TCP", "target": 2, "name": "x"}],
        "replicas": 2,
        "words": ["b"],
    }


def test_a_field_no_longer_applied_is_removed_unless_it_has_another_owner() -> None:
    state = applied(
        ("a", thing(data={"mine": "1", "both": "2"}, names=["mine", "both"], ratio=1.0)),
        ("b", thing(data={"both": "2"}, names=["both"])),
        ("a", thing(ratio=1.0)),
    )
    assert state.tree["spec"] == {"data": {"both": "2"}, "names": ["both"], "ratio": 1.0}
    assert owned(state.managed, "a") == [".spec.ratio"]


def test_an_item_is_removed_with_the_fields_that_the_server_added() -> None:
    first = applied(("a", thing(volumes=[{"name": "x"}, {"name": "y"}])))
    for volume in first.tree["spec"]["volumes"]:
        volume["host"] = "given by the server"
    state = apply(first.managed, first.tree, thing(volumes=[{"name": "x"}]), by("a"))
    assert state.tree["spec"]["volumes"] == [{"name": "x", "host": "given by the server"}]


def test_a_field_that_an_update_took_over_stays_when_its_applier_drops_it() -> None:
    first = applied(("a", thing(replicas=1, data={"a": "b"})))
    scaled = copy.deepcopy(first.tree)
    scaled["spec"]["replicas"] = 5
    managed = track(first.managed, first.tree, scaled, by("hpa", subresource="scale"))
    assert owned(managed, "a") == [".spec.data.a"]
    assert owned(managed, "hpa", UPDATE) == [".spec.replicas"]
    state = apply(managed, scaled, thing(data={"a": "b"}), by("a"))
    assert state.tree["spec"]["replicas"] == 5


def test_an_owner_of_nothing_is_dropped() -> None:
    state = applied(("a", thing(replicas=1)), ("b", thing(replicas=1)), ("a", thing()))
    assert {owner.manager for owner in state.managed} == {"b"}
    assert track(state.managed, state.tree, thing(), by("c")) == {}


def test_a_conflict_names_the_manager_and_the_field() -> None:
    old, new = thing(), thing(ports=[{"port": 80, "protocol": "TCP", "target": 9376}])
    managed = track({}, old, new, by("kubectl-edit"))
    config = thing(ports=[{"port": 80, "protocol": "TCP", "target": 8080}])
    with pytest.raises(Conflicts) as caught:
        apply(managed, new, config, by("me"))
    status = caught.value.status()
    where = '.spec.ports[port=80,protocol="TCP"].target'
    assert status.message == f'Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: {where}'
    assert (status.code, status.reason) == (409, "Conflict")
    cause = {"reason": "FieldManagerConflict", "message": 'conflict with "kubectl-edit" using v1', "field": where}
    assert status.details == {"causes": [cause]}


def test_several_conflicts_are_grouped_by_manager() -> None:
    state = applied(("b", thing(replicas=1, percent=5)), ("a", thing(size="1")))
    managed = track(state.managed, state.tree, state.tree | {"status": {"replicas": 1}}, by("c", subresource="status"))
    with pytest.raises(Conflicts) as caught:
        apply(managed, state.tree, thing(replicas=2, percent=6, size="2"), by("me"))
    assert str(caught.value) == (
        'Apply failed with 3 conflicts: conflicts with "a":\n- .spec.size\n'
        'conflicts with "b":\n- .spec.percent\n- .spec.replicas'
    )
    assert len(caught.value.status().details["causes"]) == 3


def test_force_takes_fields_over() -> None:
    state = applied(("a", thing(replicas=1, percent=5)), ("b", thing(replicas=2)), force=True)
    assert state.tree["spec"]["replicas"] == 2
    assert (owned(state.managed, "a"), owned(state.managed, "b")) == ([".spec.percent"], [".spec.replicas"])


def test_the_same_value_is_shared_without_a_conflict() -> None:
    state = applied(("a", thing(replicas=1)), ("b", thing(replicas=1)))
    assert owned(state.managed, "a") == owned(state.managed, "b") == [".spec.replicas"]


def test_a_field_of_two_appliers_conflicts_with_the_one_that_is_left() -> None:
    state = applied(("a", thing(replicas=1)), ("b", thing(replicas=1)))
    with pytest.raises(Conflicts, match=r'conflict with "b": \.spec\.replicas'):
        apply(state.managed, state.tree, thing(replicas=2), by("a"))


def test_what_was_there_before_the_first_apply_has_an_owner() -> None:
    live = thing(replicas=1) | {"status": {"replicas": 1}}
    state = apply({}, live, thing(percent=1), by("me", ignored=field_set(("status",))))
    assert owned(state.managed, BEFORE_FIRST_APPLY, UPDATE) == [".spec", ".spec.replicas"]
    with pytest.raises(Conflicts, match=r'conflict with "before-first-apply" using v1: \.spec\.replicas'):
        apply({}, live, thing(replicas=2), by("me"))


def test_what_an_endpoint_does_not_write_is_neither_owned_nor_changed() -> None:
    live = thing(replicas=1) | {"status": {"replicas": 1}}
    managed = track({}, {}, live, by("other"))
    config = thing(percent=1) | {"status": {"replicas": 9}}
    state = apply(managed, live, config, by("me", ignored=field_set(("status",))))
    assert state.tree["status"] == {"replicas": 1}
    assert owned(state.managed, "me") == [".spec.percent"]
    status = by("me", subresource="status", ignored=field_set(("spec",)))
    found = track({}, live, config, status)
    assert list(found) == [Owner(UPDATE, "me", "status", "v1")]
    assert owned(found, "me", UPDATE) == [".status.replicas"]


def test_the_servers_own_fields_are_never_owned() -> None:
    new = thing() | {
        "metadata": {"name": "a", "uid": "u", "resourceVersion": "1", "generation": 2, "labels": {"a": "b"}}
    }
    assert owned(track({}, {}, new, by("me")), "me", UPDATE)[0] == ".metadata.labels"
    assert owned(applied(("me", new)).managed, "me") == [".metadata.labels.a"]


def test_time_is_that_of_the_last_change() -> None:
    first = applied(("me", thing(replicas=1)))
    again = apply(first.managed, first.tree, thing(replicas=1), by("me", time="later"))
    assert again == first
    other = apply(first.managed, first.tree, thing(replicas=2), by("me", time="later"))
    assert [found.time for found in other.managed.values()] == ["later"]
    assert track(first.managed, first.tree, first.tree, by("x", time="later")) is first.managed


def test_the_oldest_updaters_become_one() -> None:
    managed: Managed = {}
    tree = thing()
    for number in range(MAX_UPDATERS + 3):
        new = thing(data={f"k{i}": "x" for i in range(number + 1)})
        managed = track(managed, tree, new, by(f"m{number:02}", time=f"{number:02}"))
        tree = new
    assert len(managed) == MAX_UPDATERS
    assert ".spec.data.k3" in owned(managed, ANCIENT, UPDATE)
    assert sum(len(list(paths(found.fields))) for found in managed.values()) == MAX_UPDATERS + 5


def last_applied(tree: Tree) -> Tree:
    text = json.dumps({name: value for name, value in tree.items() if name != "status"})
    return tree | {"metadata": tree["metadata"] | {"annotations": {LAST_APPLIED: text}}}


def test_kubectl_takes_over_what_it_applied_from_its_own_side() -> None:
    live = last_applied(thing(replicas=1))
    managed = track({}, {}, live, by("kubectl-client-side-apply"))
    state = apply(managed, live, thing(replicas=2), by("kubectl"))
    assert state.tree["spec"]["replicas"] == 2
    assert owned(state.managed, "kubectl") == [".spec.replicas"]
    renewed = json.loads(state.tree["metadata"]["annotations"][LAST_APPLIED])
    assert (renewed["spec"], renewed["metadata"]["annotations"]) == ({"replicas": 2}, {})
    with pytest.raises(Conflicts):
        apply(managed, live, thing(replicas=2), by("somebody else"))


def test_kubectl_does_not_take_over_what_changed_since_it_applied_it() -> None:
    live = last_applied(thing(replicas=1))
    changed = live | {"spec": {"replicas": 7}}
    managed = track(track({}, {}, live, by("kubectl-client-side-apply")), live, changed, by("hpa"))
    with pytest.raises(Conflicts, match=r'conflict with "hpa" using v1: \.spec\.replicas'):
        apply(managed, changed, thing(replicas=2), by("kubectl"))


@pytest.mark.parametrize("annotation", ["", "x", "[]", '{"spec": "x"}', '{"spec": {"ports": {"a": 1}}}'])
def test_an_annotation_that_makes_no_sense_allows_nothing(annotation: str) -> None:
    live = thing(replicas=1) | {"metadata": {"name": "a", "annotations": {LAST_APPLIED: annotation}}}
    managed = track({}, {}, live, by("x"))
    with pytest.raises(Conflicts):
        apply(managed, live, thing(replicas=2), by("kubectl"))


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"foo": 1}, ".spec.foo: field not declared in schema"),
        ({"replicas": "x"}, '.spec.replicas: expected numeric (int or float), got "x"'),
        ({"replicas": True}, ".spec.replicas: expected numeric (int or float), got true"),
        ({"enabled": "x"}, '.spec.enabled: expected boolean, got "x"'),
        ({"ports": {}}, ".spec.ports: expected list, got {}"),
        ({"data": []}, ".spec.data: expected map, got []"),
        ({"data": {"a": 1}}, ".spec.data.a: expected string, got 1"),
        ({"selector": {"foo": 1}}, ".spec.selector.foo: field not declared in schema"),
        ({"self": [{"foo": 1}]}, ".spec.self[0].foo: field not declared in schema"),
        ({"names": ["a", "a"]}, '.spec.names: duplicate entries for key [="a"]'),
        ({"volumes": [{"name": "a"}, {"name": "a"}]}, '.spec.volumes: duplicate entries for key [name="a"]'),
        ({"volumes": [{"name": "a", "foo": 1}]}, '.spec.volumes[name="a"].foo: field not declared in schema'),
        ({"volumes": ["a"]}, ".spec.volumes: element 0: associative list with keys may not have non-map elements"),
        (
            {"volumes": [{}]},
            ".spec.volumes: element 0: associative list with keys has an element that omits key field "
            '"name" (and doesn\'t have default value)',
        ),
    ],
)
def test_the_error_for_an_applied_configuration_has_the_path(spec: Tree, problem: str) -> None:
    assert list(problems(thing(**spec), SHAPE)) == [problem]


def test_nulls_fit_everywhere() -> None:
    assert list(problems(thing(replicas=None, ports=None, data=None, strategy=None), SHAPE)) == []


def test_managers_are_named_by_themselves_or_by_their_program() -> None:
    assert manager_name("me", "kubectl/v1.36 (linux)") == "me"
    assert manager_name("", "kubectl/v1.36 (linux)") == "kubectl"
    assert manager_name("", "") == ""
    assert name_problem("me") == ("", "")
    assert name_problem("x" * 129)[0] == "TooLong"
    assert name_problem("a\nb") == ("Invalid", "invalid character U+000A (at position 1)")


NAMES = st.sampled_from(["a", "b", "c", "d"])
PORTS = st.lists(
    st.fixed_dictionaries(
        {"port": st.integers(1, 3), "protocol": st.sampled_from(["TCP", "UDP"])},
        optional={"name": NAMES, "target": st.integers(1, 3)},
    ),
    max_size=4,
    unique_by=lambda port: (port["port"], port["protocol"]),
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.integers(0, 3),
        "names": st.lists(NAMES, unique=True, max_size=4),
        "words": st.lists(NAMES, max_size=3),
        "data": st.dictionaries(NAMES, NAMES, max_size=3),
        "selector": st.dictionaries(st.just("matchLabels"), st.dictionaries(NAMES, NAMES, max_size=2), max_size=1),
        "byName": st.dictionaries(NAMES, st.fixed_dictionaries({"port": st.integers(1, 3)}), max_size=2),
        "strategy": st.fixed_dictionaries({}, optional={"type": NAMES, "rolling": st.just({"surge": 1})}),
        "ports": PORTS,
    },
)
THINGS = st.builds(lambda spec: thing(**spec), SPECS)
# Each of these is about fields that no other one is about.
DISJOINT = (
    thing(replicas=1, data={"a": "1"}, ports=[{"port": 1, "protocol": "TCP"}]),
    thing(data={"b": "2"}, names=["x"], ports=[{"port": 2, "protocol": "TCP", "name": "n"}]),
    thing(data={"c": "3"}, names=["y"], strategy={"type": "a"}),
    thing(words=["w"], strategy={"rolling": {"surge": 1}}, byName={"q": {"port": 1}}),
)


def normal(tree: Any) -> Any:
    """Returns the tree with sets and keyed lists sorted, because their order carries no meaning."""
    if isinstance(tree, dict):
        return {name: normal(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return sorted((normal(one) for one in tree), key=json.dumps)
    return tree


@given(THINGS, THINGS)
def test_applying_again_changes_nothing(live: Tree, config: Tree) -> None:
    first = apply(track({}, {}, live, by("x")), live, config, by("me"), force=True)
    assume(first.managed)  # an object without owners gets one before it is first applied
    again = apply(first.managed, first.tree, config, by("me", time="later"))
    assert (again.tree, again.managed) == (first.tree, first.managed)


@given(THINGS, THINGS)
def test_all_that_is_applied_is_there_afterwards(live: Tree, config: Tree) -> None:
    tree = apply(track({}, {}, live, by("x")), live, config, by("me"), force=True).tree
    changed, removed = compare(config, tree, SHAPE)
    mine = fields_of(config, SHAPE)
    assert difference(mine, changed) == mine
    assert difference(mine, removed) == mine


@given(st.permutations(range(len(DISJOINT))))
def test_managers_of_different_fields_never_conflict_and_need_no_order(order: list[int]) -> None:
    found = applied(*((f"m{i}", DISJOINT[i]) for i in order))
    expected = applied(*((f"m{i}", DISJOINT[i]) for i in range(len(DISJOINT))))
    assert normal(found.tree) == normal(expected.tree)
    assert found.managed == expected.managed


@given(THINGS, THINGS, THINGS)
def test_a_field_is_removed_after_its_last_applier_dropped_it(one: Tree, other: Tree, rest: Tree) -> None:
    state = applied(("a", one), ("b", other), force=True)
    after = apply(state.managed, state.tree, rest, by("a"), force=True)
    left = set(paths(fields_of(after.tree, SHAPE)))
    total = {path for found in after.managed.values() for path in paths(found.fields)}
    for who, found in after.managed.items():
        for path in paths(found.fields) if who.operation == APPLY else ():
            assert any(there[: len(path)] == path for there in left), show(path)
    assert not {show(path) for path in left - total if path[0] == "f:spec"}


@given(THINGS, THINGS)
def test_a_field_that_changes_has_exactly_one_updater(old: Tree, new: Tree) -> None:
    managed = track(track({}, {}, old, by("x")), old, new, by("y"))
    changed = set(paths(difference(compare(old, new, SHAPE)[0], field_set(("metadata",)))))
    assert changed <= {path for o, f in managed.items() if o.manager == "y" for path in paths(f.fields)}
    assert not changed & {path for o, f in managed.items() if o.manager == "x" for path in paths(f.fields)}


@given(THINGS, THINGS)
def test_arguments_are_left_alone(live: Tree, config: Tree) -> None:
    managed = track({}, {}, live, by("x"))
    before = copy.deepcopy((managed, live, config))
    apply(managed, live, config, by("me"), force=True)
    assert (managed, live, config) == before


@given(THINGS)
def test_the_text_of_a_new_object_is_what_comparing_it_finds(new: Tree) -> None:
    empty: Tree = {"metadata": {}, "spec": {"strategy": {}}, "status": {}}
    text = text_of_new(new, empty, SHAPE, skip=UNOWNED_TREE)
    managed = track({}, empty, new, by("me", ignored=field_set(("status",))))
    expected = next((found.fields for found in managed.values()), {})
    assert json.loads(text) == expected
    assert text == json.dumps(expected, separators=(",", ":"))

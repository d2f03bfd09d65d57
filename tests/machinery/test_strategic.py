from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.machinery.patches.strategic import strategic_patch
from fairlead.machinery.schemas.schema import schema_of
from fairlead.machinery.values.status import StatusError
from tests.machinery.things import Spec


def patched(tree: dict[str, Any], patch: dict[str, Any]) -> Any:
    before = copy.deepcopy((tree, patch))
    result = strategic_patch(tree, patch, schema_of(Spec))
    assert (tree, patch) == before
    return result


def port(number: int, **fields: Any) -> dict[str, Any]:
    return {"port": number} | fields


def test_objects_merge_and_null_deletes() -> None:
    tree = {"selector": {"matchLabels": {"a": "1", "b": "2"}}, "size": "1"}
    patch = {"selector": {"matchLabels": {"a": None, "c": "3"}}, "size": None, "missing": None}
    assert patched(tree, patch) == {"selector": {"matchLabels": {"b": "2", "c": "3"}}}


def test_nulls_do_not_enter_what_was_not_there() -> None:
    assert patched({}, {"strategy": {"type": "x", "rolling": None}}) == {"strategy": {"type": "x"}}


def test_a_keyed_list_merges_item_by_item_and_new_items_come_first() -> None:
    tree = {"ports": [port(80, name="http"), port(443)]}
    patch = {"ports": [port(443, name="https"), port(53)]}
    assert patched(tree, patch) == {"ports": [port(80, name="http"), port(443, name="https"), port(53)]}
    assert patched(tree, {"ports": [port(53)]}) == {"ports": [port(53), port(80, name="http"), port(443)]}


def test_a_list_without_a_merge_key_is_replaced() -> None:
    assert patched({"words": ["a", "b"], "addresses": ["x"]}, {"words": ["c"], "addresses": []}) == {
        "words": ["c"],
        "addresses": [],
    }


def test_an_item_is_deleted_by_its_key() -> None:
    tree = {"ports": [port(80), port(443)]}
    assert patched(tree, {"ports": [{"$patch": "delete", "port": 80}]}) == {"ports": [port(443)]}
    assert patched(tree, {"ports": [{"$patch": "delete", "port": 1}]}) == tree


def test_a_list_or_object_is_replaced_on_demand() -> None:
    tree = {"ports": [port(80), port(443)], "strategy": {"type": "a", "rolling": {"surge": 1}}}
    patch = {"ports": [{"$patch": "replace"}, port(1)], "strategy": {"$patch": "replace", "type": "b"}}
    assert patched(tree, patch) == {"ports": [port(1)], "strategy": {"type": "b"}}
    assert patched(tree, {"ports": [{"$patch": "replace"}]})["ports"] == []
    assert patched(tree, {"strategy": {"$patch": "delete"}})["strategy"] == {}
    assert patched({}, {"$patch": "replace", "size": "1"}) == {"size": "1"}


def test_the_merge_strategy_may_be_given_explicitly() -> None:
    tree = {"ports": [port(80, name="http")]}
    patch = {"ports": [port(80, protocol="TCP") | {"$patch": "merge"}]}
    assert patched(tree, patch) == {"ports": [port(80, name="http", protocol="TCP")]}


def test_a_set_of_scalars_grows_and_shrinks() -> None:
    assert sorted(patched({"names": ["a", "b"]}, {"names": ["b", "c"]})["names"]) == ["a", "b", "c"]
    assert patched({"names": ["a", "b"]}, {"$deleteFromPrimitiveList/names": ["a", "z"]}) == {"names": ["b"]}
    patch = {"$deleteFromPrimitiveList/names": ["a"], "$setElementOrder/names": ["c", "b"], "names": ["c"]}
    assert patched({"names": ["a", "b"]}, patch) == {"names": ["c", "b"]}


def test_the_order_asked_for_is_kept_around_what_only_the_server_has() -> None:
    tree = {"ports": [port(1), port(2), port(3)]}
    order = {"$setElementOrder/ports": [port(3), port(1)]}
    assert patched(tree, order)["ports"] == [port(2), port(3), port(1)]
    added = {"$setElementOrder/ports": [port(1), port(9), port(3)], "ports": [port(9, name="new")]}
    assert patched(tree, added)["ports"] == [port(1), port(9, name="new"), port(2), port(3)]


def test_an_order_that_misses_an_item_of_the_patch_is_refused() -> None:
    with pytest.raises(StatusError, match="doesn't match"):
        patched({}, {"$setElementOrder/ports": [port(1)], "ports": [port(2)]})


def test_an_order_for_a_list_that_is_absent_or_replaced_changes_nothing() -> None:
    assert patched({}, {"$setElementOrder/ports": [port(1)]}) == {}
    assert patched({"words": ["a", "b"]}, {"$setElementOrder/words": ["b"]}) == {"words": ["a", "b"]}


def test_retained_keys_drop_the_others() -> None:
    tree = {"volumes": [{"name": "v", "host": "/x"}], "strategy": {"type": "a", "rolling": {"surge": 1}}}
    patch = {
        "volumes": [{"name": "v", "empty": {}, "$retainKeys": ["name", "empty"]}],
        "strategy": {"$retainKeys": ["type"], "type": "b"},
    }
    assert patched(tree, patch) == {"volumes": [{"name": "v", "empty": {}}], "strategy": {"type": "b"}}
    with pytest.raises(StatusError, match="missing from"):
        patched(tree, {"strategy": {"$retainKeys": ["rolling"], "type": "b"}})


def test_items_inside_maps_follow_the_maps_type() -> None:
    tree = {"byName": {"a": port(1, name="x")}}
    assert patched(tree, {"byName": {"a": {"port": 2}}}) == {"byName": {"a": port(2, name="x")}}


def test_fields_no_schema_knows_are_merged_so_that_decoding_can_name_them() -> None:
    assert patched({"odd": {"a": [1]}}, {"odd": {"b": [2]}}) == {"odd": {"a": [1], "b": [2]}}


@pytest.mark.parametrize(
    "patch",
    [
        {"ports": [{"name": "keyless"}]},
        {"ports": ["scalar"]},
        {"ports": [{"port": 1, "$patch": "frob"}]},
        {"strategy": {"$patch": "frob"}},
        {"$deleteFromPrimitiveList/names": "a"},
        {"$setElementOrder/ports": "a"},
        {"strategy": {"$retainKeys": "type"}},
    ],
)
def test_a_patch_that_makes_no_sense_is_a_bad_request(patch: dict[str, Any]) -> None:
    with pytest.raises(StatusError) as caught:
        patched({"ports": [port(1)], "names": ["a"], "strategy": {"type": "a"}}, patch)
    assert caught.value.code == 400
    with pytest.raises(StatusError, match="is an object"):
        strategic_patch({}, [], schema_of(Spec))


ports = st.lists(
    st.fixed_dictionaries({"port": st.integers(1, 5)}, optional={"name": st.sampled_from("ab")}),
    max_size=4,
    unique_by=lambda p: p["port"],
)


@settings(max_examples=60)
@given(ports, ports)
def test_applying_the_same_list_twice_changes_nothing_more(old: list[Any], new: list[Any]) -> None:
    once = patched({"ports": old}, {"ports": new})
    assert {p["port"] for p in once["ports"]} == {p["port"] for p in old + new}
    again = patched(once, {"ports": new})
    assert sorted(again["ports"], key=lambda p: p["port"]) == sorted(once["ports"], key=lambda p: p["port"])


@settings(max_examples=60)
@given(ports, ports)
def test_what_kubectl_apply_sends_ends_in_the_list_it_wants(old: list[Any], new: list[Any]) -> None:
    wanted = {p["port"] for p in new}
    patch = {
        "$setElementOrder/ports": [{"port": p["port"]} for p in new],
        "ports": [{"name": None} | p for p in new]
        + [{"$patch": "delete", "port": p["port"]} for p in old if p["port"] not in wanted],
    }
    assert patched({"ports": old}, patch) == {"ports": new}

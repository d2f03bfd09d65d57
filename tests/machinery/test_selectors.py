from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.meta.types import LabelSelector, LabelSelectorRequirement
from fairlead.machinery.values.selectors import (
    EVERYTHING,
    NOTHING,
    FieldRequirement,
    FieldRequirements,
    LabelRequirement,
    LabelRequirements,
    from_label_selector,
    from_map,
    parse_field_selector,
    parse_label_selector,
    render,
)
from fairlead.machinery.values.status import StatusError

LABELS = {"app": "web", "tier": "front", "weight": "5"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "app",
        "app=web",
        "app==web",
        "app = web , tier",
        "app!=db",
        "other!=x",
        "app in (web, db)",
        "app notin (db)",
        "other notin (db)",
        "!other",
        "! other",
        "weight>4,weight<6",
        "example.com/x!=y",
        "app in (web,)",
    ],
)
def test_these_selectors_match(text: str) -> None:
    assert parse_label_selector(text).matches(LABELS)


@pytest.mark.parametrize(
    "text", ["other", "app=db", "app=", "app!=web", "app in (db)", "app notin (web)", "!app", "weight>5", "app>1"]
)
def test_these_selectors_do_not_match(text: str) -> None:
    assert not parse_label_selector(text).matches(LABELS)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a,", "found '', expected"),
        (",a", "found ',', expected"),
        ("a in x", "found 'x', expected: '('"),
        ("a in (x", "found '', expected"),
        ("a like b", "found 'like', expected: in, notin, =, ==, !=, gt, lt"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a>b", "must be an integer"),
        ("a_=b", 'key: Invalid value: "a_": name part must consist of'),
        ("a\u00a0=b", 'key: Invalid value: "a\\u00a0": name part must consist of'),
        ("a=\u2003b", 'values[a]: Invalid value: "\\u2003b": a valid label must be'),
        ("a>٣", "must be an integer"),
        ("a=-", 'values[a]: Invalid value: "-": a valid label must be'),
    ],
)
def test_bad_label_selectors_are_refused_with_400(text: str, part: str) -> None:
    with pytest.raises(StatusError) as caught:
        parse_label_selector(text)
    assert caught.value.code == 400
    assert part in caught.value.message


def test_a_selector_renders_sorted_by_key() -> None:
    assert render(parse_label_selector("z , b in (y,x),!a,c==d")) == "!a,b in (x,y),c=d,z"


def test_a_null_selector_selects_nothing_and_an_empty_one_everything() -> None:
    assert from_label_selector(None) == NOTHING
    assert not NOTHING.matches({})
    assert from_label_selector(LabelSelector()) == EVERYTHING
    assert EVERYTHING.matches({})


def test_labels_and_expressions_of_a_selector_must_all_hold() -> None:
    def select(operator: str, *values: str) -> LabelRequirements:
        expression = LabelSelectorRequirement(key="tier", operator=operator, values=list(values))
        return from_label_selector(LabelSelector(matchLabels={"app": "web"}, matchExpressions=[expression]))

    assert select("In", "front", "back").matches(LABELS)
    assert not select("NotIn", "front").matches(LABELS)
    assert select("Exists").matches(LABELS)
    assert not select("DoesNotExist").matches(LABELS)
    assert not select("In", "front").matches({"tier": "front"})
    with pytest.raises(StatusError, match='"Near" is not a valid label selector operator'):
        select("Near")


_words = st.text(string.ascii_letters + string.digits, min_size=1, max_size=4)


@settings(max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.builds(
                LabelRequirement, _words, st.sampled_from(["=", "!="]), st.frozensets(_words, min_size=1, max_size=1)
            ),
            st.builds(LabelRequirement, _words, st.sampled_from(["in", "notin"]), st.frozensets(_words, min_size=1)),
            st.builds(LabelRequirement, _words, st.sampled_from(["exists", "!"])),
        ),
        max_size=4,
    ),
    st.dictionaries(_words, _words),
)
def test_rendering_and_parsing_gives_a_selector_that_matches_the_same(
    found: list[LabelRequirement], labels: dict[str, str]
) -> None:
    selector = LabelRequirements(tuple(found))
    again = parse_label_selector(render(selector))
    assert again.matches(labels) == selector.matches(labels)
    assert render(parse_label_selector(render(again))) == render(again)


@settings(max_examples=30)
@given(st.dictionaries(_words, _words, max_size=3), st.dictionaries(_words, _words, max_size=3))
def test_a_map_selects_exactly_its_supersets(wanted: dict[str, str], labels: dict[str, str]) -> None:
    assert from_map(wanted).matches(labels) == (wanted.items() <= labels.items())


def test_fields_are_compared_by_name() -> None:
    fields = {"metadata.name": "a", "status.phase": "Running"}
    assert parse_field_selector("metadata.name=a,status.phase!=Failed").matches(fields.__getitem__)
    assert not parse_field_selector("metadata.name==b").matches(fields.__getitem__)
    assert parse_field_selector("").matches(fields.__getitem__)
    assert parse_field_selector("metadata.name=a,").exact("metadata.name") == "a"
    assert parse_field_selector("metadata.name!=a").exact("metadata.name") is None


@pytest.mark.parametrize("text", ["a", "a>1", "a=b=c", r"a=b\c", "a=b\\"])
def test_bad_field_selectors_are_refused_with_400(text: str) -> None:
    with pytest.raises(StatusError) as caught:
        parse_field_selector(text)
    assert caught.value.code == 400


def test_a_field_the_kind_does_not_select_by_is_refused() -> None:
    with pytest.raises(StatusError, match=r"field label not supported: spec.foo"):
        parse_field_selector("spec.foo=1").check_supported(["metadata.name"])


@settings(max_examples=60)
@given(st.text(r"ab,=\ ", max_size=6), st.booleans())
def test_field_values_survive_escaping(value: str, equal: bool) -> None:
    selector = FieldRequirements((FieldRequirement("f", equal, value),))
    assert parse_field_selector(render(selector)) == selector

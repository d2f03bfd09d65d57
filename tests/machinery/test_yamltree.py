from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest

from fairlead.machinery.values.yamltree import load_yaml

TAGS = (
    *("!!bool", "!!int", "!!float", "!!null", "!!str", "!!timestamp", "!!binary", "!!set", "!!omap", "!!pairs"),
    *("!!map", "!!seq", "!!merge", "!!value", "!!python/object:os.system", "!!python/tuple", "!foo", "!", "!<tag:x>"),
)
VALUES = (
    *("foo", "", '""', "1", "1.5", "true", "2024-01-01", "aGk=", "{a: b}", "[a, b]", "[a: b]", "{a, b}"),
    "{? [x] : y}",
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("0x1F", 31),
        ("010", 8),
        ("0o10", 8),
        ("-0b11", -3),
        ("08", 8),
        ("1_000", 1000),
        ("1e3", 1000),
        ("1.5", 1.5),
        (".5", 0.5),
        ("+7", 7),
        ("18446744073709551615", 2**64 - 1),
        ("99999999999999999999", 10**20),
        ("22:22", "22:22"),
        ("٣", "٣"),
        ("y", True),
        ("off", False),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("!!float 5", 5),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01 10:00:00", "2024-01-01 10:00:00"),
        ("!!timestamp 2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("!!binary aGk=", "hi"),
        ("!!set {a, b}", {"a": None, "b": None}),
        ("!!omap [a: 1, b: 2]", [{"a": 1}, {"b": 2}]),
        ("{1: a, true: b, 1.5: c}", {"1": "a", "true": "b", "1.5": "c"}),
        ("{a: &x {b: 1}, c: {<<: *x, d: 2}}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
    ],
)
def test_scalars_are_read_as_gos_libraries_read_them(text: str, value: Any) -> None:
    found = load_yaml(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("!!bool foo", "cannot decode !!str `foo` as a !!bool"),
        ('!!int ""', "cannot decode !!null `` as a !!int"),
        ("!!int 1.5", "cannot decode !!float `1.5` as a !!int"),
        ("!!timestamp x", "cannot decode !!str `x` as a !!timestamp"),
        ("!!binary x", "!!binary value contains invalid base64 data"),
        ("!!foo x", "could not determine a constructor"),
        ("!!int {a: b}", "cannot decode a mapping"),
        ("!!set x", "expected a mapping"),
        (".nan", "json: unsupported value"),
        ("-.inf", "json: unsupported value"),
        ("{[a]: b}", "unsupported map key"),
        ("{~: b}", "unsupported map key"),
        ("{a: b", "while parsing a flow mapping"),
    ],
)
def test_what_has_no_json_value_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        load_yaml(text)


def test_every_tag_on_every_value_gives_json_or_a_value_error() -> None:
    read = 0
    for tag, value, form in itertools.product(TAGS, VALUES, ("{}", "{{k: {}}}", "[{}]", "{{? {} : v}}")):
        try:
            tree = load_yaml(form.format(f"{tag} {value}"))
        except ValueError:
            continue
        json.dumps(tree, allow_nan=False)
        read += 1
    assert read > 100

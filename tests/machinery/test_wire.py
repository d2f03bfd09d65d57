from __future__ import annotations

from typing import Any

import pytest

from fairlead.machinery.kinds.decode import decode_tree
from fairlead.machinery.values.status import StatusError
from tests.machinery.things import THING

CANNOT = 'Thing in version "v1" cannot be handled as a Thing: '


def refusal(**spec: Any) -> str:
    with pytest.raises(StatusError) as caught:
        decode_tree(THING, {"metadata": {"name": "a"}, "spec": spec})
    assert caught.value.code == 400
    return caught.value.message


@pytest.mark.parametrize(
    "spec",
    [
        {"replicas": 2**31 - 1, "ports": [{"port": 1, "target": "http"}]},
        {"size": "1.5Gi"},
        {"size": 2},
        {"size": "1e3"},
        {"since": "2026-11-20T07:00:00Z"},
        {"since": "2026-11-20T07:00:00.123456+02:00"},
        {"data": {"a": "aGVsbG8=", "b": "", "c": "aGVs\nbG8="}},
        {"ratio": 0.5},
        {"ratio": 1},
    ],
)
def test_values_that_go_takes_are_taken(spec: dict[str, Any]) -> None:
    decode_tree(THING, {"metadata": {"name": "a"}, "spec": spec})


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            {"replicas": 2**31},
            "json: cannot unmarshal number 2147483648 into Go struct field Spec.spec.replicas of type int32",
        ),
        (
            {"ports": [{"target": -(2**40)}]},
            "json: cannot unmarshal number -1099511627776 into Go struct field Port.spec.ports.target of type "
            "intstr.IntOrString",
        ),
        ({"size": "1.2.3"}, "quantities must match the regular expression"),
        ({"size": "1KB"}, "quantities must match the regular expression"),
        ({"size": "1kk"}, "unable to parse quantity's suffix"),
        ({"since": "yesterday"}, 'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse'),
        ({"since": "2026-13-20T07:00:00Z"}, 'parsing time "2026-13-20T07:00:00Z"'),
        ({"since": "2026-02-29T07:00:00Z"}, 'parsing time "2026-02-29T07:00:00Z"'),
        ({"since": "0000-01-01T07:00:00Z"}, 'parsing time "0000-01-01T07:00:00Z"'),
        ({"since": "0001-01-01T07:00:00+14:00"}, 'parsing time "0001-01-01T07:00:00+14:00"'),
        ({"since": "2026-01-01T07:00:00+99:00"}, 'parsing time "2026-01-01T07:00:00+99:00"'),
        ({"since": "٢٠٢٦-01-01T07:00:00Z"}, 'parsing time "٢٠٢٦-01-01T07:00:00Z"'),
        ({"data": {"a": "a*b="}}, "illegal base64 data at input byte 1"),
        ({"data": {"a": "abc"}}, "illegal base64 data at input byte 3"),
    ],
)
def test_values_that_go_refuses_while_decoding_are_a_400(spec: dict[str, Any], text: str) -> None:
    assert refusal(**spec).startswith(CANNOT + text)

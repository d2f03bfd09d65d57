from __future__ import annotations

import json
from typing import Any

import pytest

from fairlead.api.core.pod.kind import POD
from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.machinery.kinds.decode import Decoded, FieldValidation, decode, decode_tree, encode, parse_json
from fairlead.machinery.values.status import StatusError

CANNOT = 'Service in version "v1" cannot be handled as a Service: '


def body(spec: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec or {}} | fields


def read(tree: Any, validation: FieldValidation = "Strict") -> Decoded[Service]:
    return decode(SERVICE, json.dumps(tree).encode(), validation=validation)


def refusal(tree: Any, validation: FieldValidation = "Strict") -> str:
    with pytest.raises(StatusError) as caught:
        decode(SERVICE, tree if isinstance(tree, bytes) else json.dumps(tree).encode(), validation=validation)
    assert (caught.value.code, caught.value.reason) == (400, "BadRequest")
    return caught.value.message


def test_a_good_body_decodes_and_encodes_to_itself() -> None:
    decoded = read(body({"type": "NodePort", "ports": [{"port": 80, "targetPort": "http"}]}))
    assert decoded.warnings == ()
    assert decoded.obj.spec.ports[0].targetPort == "http"
    assert decode(SERVICE, encode(decoded.obj)).obj == decoded.obj


def test_kind_and_version_are_filled_in_if_missing() -> None:
    obj = read({"metadata": {"name": "web"}}).obj
    assert (obj.kind, obj.apiVersion) == ("Service", "v1")


def test_every_unknown_field_is_named_in_document_order() -> None:
    tree = body({"bar": 1, "ports": [{"zz": 2, "port": 80}, {"yy": {"deep": 1}}], "selector": {"any": "key"}}, top=1)
    assert refusal(tree) == CANNOT + (
        'strict decoding error: unknown field "spec.bar", unknown field "spec.ports[0].zz", '
        'unknown field "spec.ports[1].yy", unknown field "top"'
    )


def test_unknown_fields_are_dropped_with_or_without_a_warning() -> None:
    tree = body({"bar": 1, "ports": [{"port": 80, "zz": 2}]})
    warned, ignored = read(tree, "Warn"), read(tree, "Ignore")
    assert warned.warnings == ('unknown field "spec.bar"', 'unknown field "spec.ports[0].zz"')
    assert ignored.warnings == ()
    assert warned.obj == ignored.obj == read(body({"ports": [{"port": 80}]})).obj


def test_a_repeated_key_is_an_error_a_warning_or_the_last_one_wins() -> None:
    raw = b'{"metadata":{"name":"a"},"spec":{"type":"A","type":"B","selector":{"a":"1","a":"2"}}}'
    texts = ('duplicate field "spec.type"', 'duplicate field "spec.selector.a"')
    assert refusal(raw) == CANNOT + "strict decoding error: " + ", ".join(texts)
    warned = decode(SERVICE, raw, validation="Warn")
    assert sorted(warned.warnings) == sorted(texts)
    assert warned.obj.spec.type == "B"
    assert decode(SERVICE, raw, validation="Ignore").obj.spec.selector == {"a": "2"}


def test_text_that_looks_like_a_key_is_no_repeated_key() -> None:
    decoded = read(body(metadata={"name": "a", "annotations": {"last": '{"a":1,"a":2}'}}))
    assert decoded.obj.metadata.annotations["last"] == '{"a":1,"a":2}'


def test_null_is_the_same_as_absent() -> None:
    tree = body({"selector": None, "ports": [{"port": 80, "name": None}], "sessionAffinityConfig": None}, status=None)
    assert read(tree).obj == read(body({"ports": [{"port": 80}]})).obj


def test_null_inside_lists_and_maps_is_the_zero_value() -> None:
    obj = read(body({"selector": {"a": None}, "ports": [None], "externalIPs": [None]})).obj
    assert obj.spec.selector == {"a": ""}
    assert obj.spec.ports[0].port == 0
    assert obj.spec.externalIPs == [""]


@pytest.mark.parametrize(
    ("spec", "found", "where", "wanted"),
    [
        ({"selector": "app:nginx"}, "string", "ServiceSpec.spec.selector", "map[string]string"),
        ({"selector": {"a": 1}}, "number", "ServiceSpec.spec.selector", "string"),
        ({"ports": {"port": 80}}, "object", "ServiceSpec.spec.ports", "[]v1.ServicePort"),
        ({"ports": ["x"]}, "string", "ServiceSpec.spec.ports", "v1.ServicePort"),
        ({"ports": [{"port": "80"}]}, "string", "ServicePort.spec.ports.port", "int32"),
        ({"ports": [{"port": True}]}, "bool", "ServicePort.spec.ports.port", "int32"),
        ({"ports": [{"port": 80.5}]}, "number 80.5", "ServicePort.spec.ports.port", "int32"),
        ({"ports": [{"port": 1 << 31, "name": None}]}, "number 2147483648", "ServicePort.spec.ports.port", "int32"),
        ({"ports": [{"port": "a", "zz": 1}], "yy": 1}, "string", "ServicePort.spec.ports.port", "int32"),
        ({"publishNotReadyAddresses": 1}, "number", "ServiceSpec.spec.publishNotReadyAddresses", "bool"),
        ({"clusterIP": ["x"]}, "array", "ServiceSpec.spec.clusterIP", "string"),
        ({"sessionAffinityConfig": 1}, "number", "ServiceSpec.spec.sessionAffinityConfig", "v1.SessionAffinityConfig"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_as_go_does(
    spec: dict[str, Any], found: str, where: str, wanted: str
) -> None:
    text = f"{CANNOT}json: cannot unmarshal {found} into Go struct field {where} of type {wanted}"
    assert refusal(body(spec), "Ignore") == text


def test_a_body_of_another_kind_or_version_is_refused() -> None:
    assert refusal(body(kind="service")).startswith(
        'service in version "v1" cannot be handled as a Service: no kind "service" is registered for version "v1"'
    )
    assert "unknown conversion" in refusal(body(kind="Pod"))
    assert "unknown conversion" in refusal(body({"containers": []}, kind="Pod"))
    text = "the API version in the data (apps/v1) does not match the expected API version (v1)"
    assert refusal(body(apiVersion="apps/v1")) == text


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        (b"", "unexpected end of JSON input (<empty>)"),
        (b'{"a":', 'unexpected end of JSON input ({"a":)'),
        (b'{"a" 1}', "invalid character '1' at offset 5"),
        (b"[1]", "an object is expected"),
        (b"null", "an object is expected"),
        (b'{"spec":{"x":NaN}}', "invalid number NaN"),
        (b"\xff", "invalid start byte (ff)"),
        (b'{"spec":{"x":' + b"[" * 100_000, "exceeded max depth"),
        (b'{"kind":1}', "kind must be a string"),
        (b'{"spec":{"type":"\\ud800"}}', "surrogates not allowed"),
    ],
)
def test_what_is_no_json_object_is_a_bad_request(raw: bytes, part: str) -> None:
    assert part in refusal(raw)


def test_a_quantity_may_be_a_number() -> None:
    limits = {"cpu": 1, "memory": "1Gi", "x.com/y": 0.5}
    tree = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", "resources": {"limits": limits}}]}}
    assert decode_tree(POD, tree).obj.spec.containers[0].resources.limits == limits


def test_a_tree_decodes_like_its_json() -> None:
    assert decode_tree(SERVICE, body({"ports": [{"port": 80}]})).obj == read(body({"ports": [{"port": 80}]})).obj
    with pytest.raises(StatusError, match=r'unknown field "spec\.bar"'):
        decode_tree(SERVICE, body({"bar": 1}))


def test_any_other_json_is_parsed_or_refused() -> None:
    assert parse_json(b"[1]", what="patch") == [1]
    with pytest.raises(StatusError, match="the patch provided is not valid JSON"):
        parse_json(b"[1", what="patch")
    with pytest.raises(StatusError, match="nested too deeply"):
        parse_json(b"[" * 100_000)


def test_unknown_and_repeated_fields_are_listed_in_document_order() -> None:
    body = b"""{"zz": 1, "spec": {"a1": 1, "type": "x", "selector": {"b": "1", "a": "1", "b": "2"}, "type": "y",
        "a1": 2, "a2": 1, "selector": {"c": "1", "c": "2"}}, "metadata": {"mm": 1}, "zz": 2}"""
    assert decode(SERVICE, body, validation="Warn").warnings == (
        'unknown field "zz"',
        'unknown field "spec.a1"',
        'duplicate field "spec.selector.b"',
        'duplicate field "spec.type"',
        'unknown field "spec.a2"',
        'duplicate field "spec.selector"',
        'duplicate field "spec.selector.c"',
        'unknown field "metadata.mm"',
    )


def test_at_most_a_hundred_problems_are_listed() -> None:
    body = b"{" + b",".join(b'"z%d": 1' % n for n in range(300)) + b"}"
    assert len(decode(SERVICE, body, validation="Warn").warnings) == 100

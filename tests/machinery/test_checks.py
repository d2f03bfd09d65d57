from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from fairlead.api.meta.types import LabelSelector, Object, OwnerReference
from fairlead.machinery.kinds.checks import check, check_metadata, check_metadata_update, check_struct, immutable
from fairlead.machinery.kinds.kind import Immutable, Kind
from tests.machinery.things import THING, Port, thing


def texts(**spec: Any) -> list[str]:
    return [str(e) for e in check(THING, thing(**spec))]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"ports": [{"port": 1}, {}]}, "spec.ports[1].port: Required value"),
        ({"ports": [{"port": -1}]}, "spec.ports[0].port: Invalid value: -1: must be between 1 and 65535, inclusive"),
        ({"percent": 0}, "spec.percent: Invalid value: 0: must be between 1 and 100, inclusive"),
        (
            {"ports": [{"port": 1, "protocol": "tcp"}]},
            'spec.ports[0].protocol: Unsupported value: "tcp": supported values: "TCP", "UDP"',
        ),
        (
            {"ports": [{"port": 1, "name": "80"}]},
            'spec.ports[0].name: Invalid value: "80": must contain at least one letter (a-z)',
        ),
        ({"byName": {"x": {"port": 0}}}, "spec.byName[x].port: Required value"),
        (
            {"addresses": ["::1", "x"]},
            'spec.addresses[1]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        ),
        (
            {"self": [{"inner": [{"inner": [{"mode": "c"}]}]}]},
            'spec.self[0].inner[0].inner[0].mode: Unsupported value: "c": supported values: "a", "b"',
        ),
        ({"enabled": True}, "spec.enabled: Forbidden: may not be set without ports"),
    ],
)
def test_one_wrong_field_gives_one_cause_with_its_path(spec: dict[str, Any], text: str) -> None:
    assert texts(**spec) == [text]


def test_every_cause_is_named_markers_before_rules() -> None:
    found = texts(enabled=True, percent=101, addresses=["x"])
    assert [f.split(":")[0] for f in found] == ["spec.percent", "spec.addresses[0]", "spec.enabled"]


def test_what_is_absent_or_zero_is_left_to_required() -> None:
    assert texts(ports=[{"port": 1, "protocol": "", "name": ""}], percent=None) == []


def test_markers_alone_can_be_checked_on_any_struct() -> None:
    assert [e.path for e in check_struct(Port(protocol="x"), "body")] == ["body.port", "body.protocol"]
    assert check_struct(Port(port=1)) == []


class _Link(msgspec.Struct, kw_only=True):
    """A struct that contains itself, directly and through another one."""

    name: Annotated[str, Immutable()] = ""
    next: _Link | None = None
    other: _Other | None = None


class _Other(msgspec.Struct, kw_only=True):
    link: _Link | None = None


class _Chain(Object, kw_only=True):
    spec: _Link


def test_immutable_fields_of_structs_that_contain_themselves_are_found() -> None:
    kind = Kind(type=_Chain, kind="Chain", plural="chains")
    old = _Chain(spec=_Link(next=_Link(name="a"), other=_Other(link=_Link(name="b"))))
    new = _Chain(spec=_Link(next=_Link(name="x"), other=_Other(link=_Link(name="y"))))
    assert immutable(kind, old, old) == []
    assert [e.path for e in immutable(kind, old, new)] == ["spec.next.name", "spec.other.link.name"]


def test_only_a_changed_immutable_field_is_an_error() -> None:
    old = thing(selector={"matchLabels": {"a": "b"}}, replicas=1)
    assert immutable(THING, old, thing(selector={"matchLabels": {"a": "b"}}, replicas=2)) == []
    found = immutable(THING, old, thing(selector={"matchLabels": {"a": "c"}}))
    assert [(e.path, e.detail) for e in found] == [("spec.selector", "field is immutable")]
    assert found[0].value == {"matchLabels": {"a": "c"}}
    old.spec.selector = LabelSelector()
    assert len(immutable(THING, old, thing())) == 1


def meta_texts(kind: Kind[Any] = THING, **fields: Any) -> list[str]:
    meta = thing().metadata
    for name, value in fields.items():
        setattr(meta, name, value)
    return [str(e) for e in check_metadata(kind, meta)]


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ({"name": ""}, "metadata.name: Required value: name or generateName is required"),
        ({"name": "A"}, 'metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of'),
        ({"generateName": "AB-"}, 'metadata.generateName: Invalid value: "AB-": a lowercase RFC 1123 subdomain'),
        ({"namespace": ""}, "metadata.namespace: Required value"),
        ({"namespace": "a.b"}, 'metadata.namespace: Invalid value: "a.b": must not contain dots'),
        ({"labels": {"a b": "c"}}, 'metadata.labels: Invalid value: "a b": name part must consist of'),
        ({"labels": {"a": "c d"}}, 'metadata.labels: Invalid value: "c d": a valid label must be an empty string'),
        ({"labels": {"a": "c" * 64}}, f'metadata.labels: Invalid value: "{"c" * 64}": must be no more than 63'),
        ({"annotations": {"/a": ""}}, 'metadata.annotations: Invalid value: "/a": prefix part must be non-empty'),
        (
            {"annotations": {"a": "x" * (256 * 1024)}},
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
        ({"finalizers": ["mine"]}, 'metadata.finalizers: Invalid value: "mine": name is neither a standard finalizer'),
        ({"finalizers": ["a b/c"]}, 'metadata.finalizers: Invalid value: "a b/c": prefix part'),
        (
            {"ownerReferences": [OwnerReference(kind="A", name="a", uid="1")]},
            'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty',
        ),
        (
            {"ownerReferences": [OwnerReference(apiVersion="v1", kind="A", name="a")]},
            'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
        ),
    ],
)
def test_one_wrong_part_of_the_metadata_gives_one_cause(fields: dict[str, Any], start: str) -> None:
    found = meta_texts(**fields)
    assert len(found) == 1
    assert found[0].startswith(start)


def test_good_metadata_has_nothing_wrong() -> None:
    owner = OwnerReference(apiVersion="v1", kind="A", name="a", uid="1", controller=True)
    assert meta_texts(
        generateName="web-",
        labels={"example.com/App": "x_1", "empty": ""},
        annotations={"Example.com/Note": "anything at all\n"},
        ownerReferences=[owner],
        finalizers=["orphan", "example.com/wait"],
    ) == []  # fmt: skip


def test_only_one_owner_may_be_the_controller() -> None:
    def owner(name: str) -> OwnerReference:
        return OwnerReference(apiVersion="v1", kind="A", name=name, uid=name, controller=True)

    found = meta_texts(ownerReferences=[owner("a"), owner("b")])
    assert len(found) == 1
    assert "Only one reference can have Controller set to true" in found[0]
    assert found[0].endswith("in references for A/a and A/b")


def test_two_ways_of_deletion_exclude_each_other() -> None:
    assert len(meta_texts(finalizers=["orphan", "foregroundDeletion"])) == 1


def test_an_update_may_not_change_who_the_object_is() -> None:
    old, new = thing().metadata, thing().metadata
    assert check_metadata_update(old, new) == []
    new.uid = "other"
    assert [str(e) for e in check_metadata_update(old, new)] == [
        'metadata.uid: Invalid value: "other": field is immutable'
    ]


def test_an_object_being_deleted_takes_no_new_finalizers() -> None:
    old, new = thing().metadata, thing().metadata
    old.deletionTimestamp = new.deletionTimestamp = "2026-01-01T00:00:00Z"
    new.finalizers = ["a.b/c"]
    assert [e.type for e in check_metadata_update(old, new)] == ["Forbidden"]

"""The messages between agent and zygote survive the wire, and invalid messages are refused with the field's path."""

from __future__ import annotations

import json
import socket
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.base.codec import CodecError, decode, encode
from fairlead.node.runtime.protocol import wire
from fairlead.node.runtime.protocol.containerspec import ContainerSpec, Mount, Process
from fairlead.node.runtime.protocol.messages import VERSION, Message, Request, Signal, StartContainer

_PLAIN = {
    str: st.text(),
    int: st.integers(),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of an annotation that messages have."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{field.name: values(hints[field.name]) for field in fields(kind)})
    if kind is type(None):
        return st.none()
    if origin is types.UnionType:
        return st.one_of(*map(values, arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    assert origin is Mapping
    return st.dictionaries(st.text(), values(arguments[1]), max_size=3)


@given(values(Message))
def test_every_message_comes_back_as_it_was_sent(message: Message) -> None:
    assert wire.loads(wire.dumps(message)) == message


START = StartContainer(
    id="a",
    sandbox="s",
    spec=ContainerSpec(process=Process(args=("true",), env={"A": "1"}), bundle="/b"),
    log_path="/l",
    record=decode(
        get_type_hints(StartContainer)["record"],
        {"container": "c", "attempt": 0, "backoff_s": 0, "image": "i", "image_id": "h", "stop_signal": ""},
    ),
)


def _tree() -> Any:
    return json.loads(wire.dumps(Request(1, START)))


_PROCESS = ("operation", "spec", "process")


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ((*_PROCESS, "args"), None, "message.operation.spec.process.args: expected a list of strings, got null"),
        ((*_PROCESS, "args"), ["a", 1], "message.operation.spec.process.args[1]: expected a string, got an integer"),
        ((*_PROCESS, "env"), {"A": None}, "message.operation.spec.process.env[A]: expected a string, got null"),
        (("operation", "spec", "privileged"), 1, "message.operation.spec.privileged: expected a boolean, got an "),
        (("number",), True, "message.number: expected an integer, got a boolean"),
        (("operation", "spec", "recipe"), {}, "message.operation.spec.recipe: unknown field"),
        (("operation", "type"), "Nonsense", "message.operation.type: expected one of "),
        (
            ("operation", "spec", "mounts"),
            [{"destination": "/d", "type": "overlay"}],
            'message.operation.spec.mounts[0].type: "overlay" is not one of bind, tmpfs; message.',
        ),
        (
            ("operation", "spec", "mounts"),
            [{"destination": "/d"}],
            "message.operation.spec.mounts[0].type: is missing; message.operation.spec.mounts[0].source: is missing; ",
        ),
    ],
)
def test_a_wrong_field_is_named_by_its_path(path: tuple[str, ...], value: object, expected: str) -> None:
    tree = _tree()
    at = tree["message"]
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    with pytest.raises(CodecError) as caught:
        wire.loads(json.dumps(tree).encode())
    assert str(caught.value).startswith(expected)


@given(st.data())
def test_a_missing_field_is_an_error_and_never_none(data: st.DataObject) -> None:
    spec = encode(ContainerSpec, START.spec)
    name = data.draw(st.sampled_from(sorted(spec)))
    del spec[name]
    with pytest.raises(CodecError, match=f"^{name}: is missing$"):
        decode(ContainerSpec, spec, whole=True)


def test_a_literal_takes_its_values_alone() -> None:
    tree = encode(Mount, Mount(destination="/d"))
    tree["type"] = "overlay"
    with pytest.raises(CodecError, match=r'^type: "overlay" is not one of bind, tmpfs$'):
        decode(Mount, tree)


@pytest.mark.parametrize(
    ("packet", "said"),
    [
        ({"version": VERSION + 1, "message": {}}, f"version {VERSION + 1}"),
        ({"e": 1, "re": 2}, "an unversioned protocol"),
        ([], "an unversioned protocol"),
    ],
)
def test_another_version_is_noticed_before_the_message_is_read(packet: object, said: str) -> None:
    with pytest.raises(wire.OtherVersion, match=said):
        wire.loads(json.dumps(packet).encode())


def test_a_packet_that_is_not_json_is_no_message() -> None:
    with pytest.raises(CodecError, match="not JSON"):
        wire.loads(b"\xff")


def test_a_packet_has_the_version_and_full_names() -> None:
    assert json.loads(wire.dumps(Request(7, Signal("a", 9)))) == {
        "version": VERSION,
        "message": {"type": "Request", "number": 7, "operation": {"type": "Signal", "id": "a", "number": 9}},
    }


def test_a_long_packet_and_its_descriptors_arrive() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        wire.send(ours, b"x" * 200_000, [ours.fileno()])
        packet = wire.receive(theirs)
        assert packet is not None
        data, (fd,) = packet
        with socket.socket(fileno=fd):
            assert data == b"x" * 200_000

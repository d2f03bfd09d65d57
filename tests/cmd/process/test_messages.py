"""Messages between supervisor and sandbox: each comes back as it was, and everything else is one clear error."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from fairlead.cmd.process.messages import (
    VERSION,
    BuildFailed,
    Continue,
    Ended,
    Go,
    Message,
    MessageError,
    NamespacesRefused,
    Ready,
    Started,
    StepDone,
    Stop,
    Unshared,
    Warm,
    pack,
    unpack,
)

EXAMPLES: list[Message] = [
    Unshared(),
    NamespacesRefused(28, "No space left on device"),
    BuildFailed("cannot", evidence=True),
    StepDone("network of 1 node"),
    Warm(),
    Started("agent-node1", "node1", 2),
    Ended("relay", -9),
    Ready("api", "API ready"),
    Continue(),
    Go(),
    Stop(),
]


def test_there_is_an_example_of_every_message() -> None:
    assert {type(message) for message in EXAMPLES} == set(get_args(Message))


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    assert unpack(pack(message)) == message


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ([], "unknown message version None"),
        ({"message": {"type": "Stop"}}, "unknown message version None"),
        ({"version": VERSION + 1, "message": {"type": "Stop"}}, f"version {VERSION + 1}, expected"),
        ({"version": VERSION}, "message: expected an object, got null"),
        ({"version": VERSION, "message": {"type": "Dance"}}, "message.type: expected one of .* got 'Dance'"),
        ({"version": VERSION, "message": {"type": "Ended", "name": "a"}}, "message.code: is missing"),
        (
            {"version": VERSION, "message": {"type": "Ready", "what": "x", "text": ""}},
            'message.what: "x" is not one of',
        ),
        ({"version": VERSION, "message": {"type": "Stop", "now": True}}, "message.now: unknown field"),
    ],
)
def test_what_is_not_a_message_of_this_version_is_one_clear_error(tree: Any, expected: str) -> None:
    with pytest.raises(MessageError, match=expected):
        unpack(json.dumps(tree).encode())


def test_bytes_that_are_no_json_are_refused() -> None:
    with pytest.raises(MessageError, match="not a message"):
        unpack(b"\xff")

"""The messages between supervisor and sandbox, as values.

Both sides are forks of one program, so their versions differ only if an installation was replaced while a cluster
started. Even then a message is understood or refused, never half of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from fairlead.base.codec import CodecError, decode, encode
from fairlead.cmd.errors import CommandError

VERSION = 1
"""Raised with each change of a message."""


class MessageError(CommandError):
    """A packet that is not a message of this version."""


@dataclass(frozen=True, slots=True)
class Unshared:
    """The namespaces are made, and wait for their user ids (root only). The pid beside it is their owner's."""


@dataclass(frozen=True, slots=True)
class NamespacesRefused:
    errno: int
    error: str


@dataclass(frozen=True, slots=True)
class BuildFailed:
    """The sandbox could not be built. `evidence`: the logs tell more."""

    error: str
    evidence: bool


@dataclass(frozen=True, slots=True)
class StepDone:
    text: str


@dataclass(frozen=True, slots=True)
class Warm:
    """Everything that the components share is imported."""


@dataclass(frozen=True, slots=True)
class Started:
    """A component runs, in the process whose pid stands beside the message."""

    name: str
    node: str
    restarts: int


@dataclass(frozen=True, slots=True)
class Ended:
    name: str
    code: int
    """Exit code, or the signal's number below zero."""


@dataclass(frozen=True, slots=True)
class Ready:
    what: Literal["api", "nodes"]
    text: str


@dataclass(frozen=True, slots=True)
class Continue:
    """The user ids are written."""


@dataclass(frozen=True, slots=True)
class Go:
    """The certificates are there: start the control plane."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End in order."""


Event = Unshared | NamespacesRefused | BuildFailed | StepDone | Warm | Started | Ended | Ready
"""A report of the sandbox."""
Order = Continue | Go | Stop
"""A request of the supervisor."""
Message = Event | Order
_MESSAGE: Any = Message


def pack(message: Message) -> bytes:
    return json.dumps({"version": VERSION, "message": encode(_MESSAGE, message)}).encode()


def unpack(data: bytes) -> Message:
    """Raises MessageError."""
    try:
        tree = json.loads(data)
    except ValueError as e:
        raise MessageError(f"not a message: {data[:80]!r}") from e
    version = tree.get("version") if isinstance(tree, dict) else None
    if version != VERSION:
        raise MessageError(
            f"a message of version {version!r}, and this program speaks {VERSION}: was Fairlead replaced meanwhile?"
        )
    try:
        found: Message = decode(_MESSAGE, tree.get("message"), whole=True, root="message")
    except CodecError as e:
        raise MessageError(str(e)) from e
    return found

"""The messages between supervisor and sandbox, as values.

Both sides are forks of one program, so their versions differ only if an installation was replaced while a cluster
started. Even then a message is either decoded completely or rejected.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from fairlead.base.codec import CodecError, decode, encode
from fairlead.base.dataclass import dataclass
from fairlead.cmd.errors import CommandError

VERSION = 1
"""Increased with each change of a message."""


class MessageError(CommandError):
    """A packet that is not a message of this version."""


@dataclass(frozen=True, slots=True)
class Unshared:
    """The namespaces exist and wait for their id maps (root only). The pid is that of the namespaces' owner."""


@dataclass(frozen=True, slots=True)
class NamespacesRefused:
    errno: int
    error: str


@dataclass(frozen=True, slots=True)
class BuildFailed:
    """The sandbox could not be built. `evidence`: the logs have details."""

    error: str
    evidence: bool


@dataclass(frozen=True, slots=True)
class StepDone:
    text: str


@dataclass(frozen=True, slots=True)
class Warm:
    """All modules shared by components are imported."""


@dataclass(frozen=True, slots=True)
class Started:
    """A component runs. The message carries the pid of its process."""

    name: str
    node: str
    restarts: int


@dataclass(frozen=True, slots=True)
class Ended:
    name: str
    code: int
    """Exit code, or the negative number of the signal."""


@dataclass(frozen=True, slots=True)
class Ready:
    what: Literal["api", "nodes"]
    text: str


@dataclass(frozen=True, slots=True)
class Continue:
    """The id maps are written."""


@dataclass(frozen=True, slots=True)
class Go:
    """The certificates exist: start the control plane."""


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
    """Returns the message of a packet. Raises MessageError."""
    try:
        tree = json.loads(data)
    except ValueError as e:
        raise MessageError(f"not a message: {data[:80]!r}") from e
    version = tree.get("version") if isinstance(tree, dict) else None
    if version != VERSION:
        raise MessageError(
            f"unknown message version {version!r}, expected {VERSION}: was Fairlead replaced while the cluster started?"
        )
    try:
        message: Message = decode(_MESSAGE, tree.get("message"), whole=True, root="message")
    except CodecError as e:
        raise MessageError(str(e)) from e
    return message

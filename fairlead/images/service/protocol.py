"""The messages between a node and the pulling service: one JSON text in a line each way, on a UNIX socket."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from fairlead.base.codec import decode, encode
from fairlead.base.dataclass import dataclass
from fairlead.images.registry.credentials import Credential

T = TypeVar("T")
LONGEST_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class PullRequest:
    image: str
    credentials: tuple[Credential, ...] = ()
    """The Pod's; the service adds those of Docker on this machine."""


@dataclass(frozen=True, slots=True)
class PullResult:
    error: str = ""
    """Empty: the image is in the store."""
    size: int = 0
    seconds: float = 0.0
    """The time of the pull itself, without waiting for another."""


def to_line(message: PullRequest | PullResult) -> bytes:
    return json.dumps(encode(type(message), message)).encode() + b"\n"


def from_line(kind: type[T], line: bytes) -> T:
    """Raises ValueError."""
    tree: Any = json.loads(line)
    return decode(kind, tree)

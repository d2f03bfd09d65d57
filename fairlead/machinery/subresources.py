"""The subresources of a kind, as discovery and OpenAPI list them: those that all kinds may have, and its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fairlead.machinery.kind import GroupVersionKind, Kind, Subresource

_READ_WRITE = ("get", "patch", "update")
CONNECT = ("create", "delete", "get", "patch", "update")
"""The verbs of a subresource that passes a request on."""
SCALE = GroupVersionKind("autoscaling", "v1", "Scale")


def subresources_of(kind: Kind[Any]) -> list[Subresource]:
    """Returns the subresources by name, as discovery lists them."""
    return sorted(_all(kind), key=lambda s: s.name)


def _all(kind: Kind[Any]) -> Iterator[Subresource]:
    yield from kind.subresources
    for part in kind.parts:
        yield Subresource(part.name, kind.gvk, _READ_WRITE, foreign=False)
    if kind.status:
        yield Subresource("status", kind.gvk, _READ_WRITE, foreign=False)
    if kind.scale:
        yield Subresource("scale", SCALE, _READ_WRITE)

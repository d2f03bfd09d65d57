"""The subresources of a kind in discovery and OpenAPI: those common to all kinds, and those of the kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fairlead.machinery.kinds.kind import GroupVersionKind, Kind, Subresource

_READ_WRITE = ("get", "patch", "update")
CONNECT = ("create", "delete", "get", "patch", "update")
"""The verbs of a subresource that proxies requests."""
SCALE = GroupVersionKind("autoscaling", "v1", "Scale")


def subresources_of(kind: Kind[Any]) -> list[Subresource]:
    """Returns the subresources by name, in the order of discovery."""
    return sorted(_all(kind), key=lambda s: s.name)


def _all(kind: Kind[Any]) -> Iterator[Subresource]:
    yield from kind.subresources
    for part in kind.parts:
        yield Subresource(part.name, kind.gvk, _READ_WRITE, foreign=False)
    if kind.status:
        yield Subresource("status", kind.gvk, _READ_WRITE, foreign=False)
    if kind.scale:
        yield Subresource("scale", SCALE, _READ_WRITE)

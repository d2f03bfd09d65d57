"""The subresources of every kind: those that its declaration asks for, and the few that belong to one kind alone.

The second sort is a table here and not a field of `Kind`, because each needs code of its own in the API server
anyway; discovery and OpenAPI only have to name them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fairlead.machinery.kind import Kind


@dataclass(frozen=True, slots=True)
class GroupVersionKind:
    group: str
    version: str
    kind: str

    def tree(self) -> dict[str, str]:
        return {"group": self.group, "version": self.version, "kind": self.kind}


@dataclass(frozen=True, slots=True)
class Subresource:
    name: str
    gvk: GroupVersionKind
    """Of the body it takes or gives."""
    verbs: tuple[str, ...]
    foreign: bool = True
    """The body is of another kind than the resource itself."""


VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_READ_WRITE = ("get", "patch", "update")

_CONNECT = ("create", "delete", "get", "patch", "update")

_SPECIAL: dict[tuple[str, str], tuple[Subresource, ...]] = {
    ("", "pods"): (
        Subresource("attach", GroupVersionKind("", "v1", "PodAttachOptions"), ("create", "get")),
        Subresource("binding", GroupVersionKind("", "v1", "Binding"), ("create",)),
        Subresource("eviction", GroupVersionKind("policy", "v1", "Eviction"), ("create",)),
        Subresource("exec", GroupVersionKind("", "v1", "PodExecOptions"), ("create", "get")),
        Subresource("log", GroupVersionKind("", "v1", "Pod"), ("get",)),
        Subresource("portforward", GroupVersionKind("", "v1", "PodPortForwardOptions"), ("create", "get")),
        Subresource("proxy", GroupVersionKind("", "v1", "PodProxyOptions"), _CONNECT),
    ),
    ("", "services"): (Subresource("proxy", GroupVersionKind("", "v1", "ServiceProxyOptions"), _CONNECT),),
    ("", "nodes"): (Subresource("proxy", GroupVersionKind("", "v1", "NodeProxyOptions"), _CONNECT),),
    ("", "namespaces"): (Subresource("finalize", GroupVersionKind("", "v1", "Namespace"), ("update",), foreign=False),),
    ("", "serviceaccounts"): (
        Subresource("token", GroupVersionKind("authentication.k8s.io", "v1", "TokenRequest"), ("create",)),
    ),
}
SCALE = GroupVersionKind("autoscaling", "v1", "Scale")


def gvk_of(kind: Kind[Any]) -> GroupVersionKind:
    return GroupVersionKind(kind.group, kind.version, kind.kind)


def subresources_of(kind: Kind[Any]) -> list[Subresource]:
    """By name, as discovery lists them."""
    return sorted(_all(kind), key=lambda s: s.name)


def _all(kind: Kind[Any]) -> Iterator[Subresource]:
    yield from _SPECIAL.get((kind.group, kind.plural), ())
    for part in kind.parts:
        yield Subresource(part.name, gvk_of(kind), _READ_WRITE, foreign=False)
    if kind.status:
        yield Subresource("status", gvk_of(kind), _READ_WRITE, foreign=False)
    if kind.scale:
        yield Subresource("scale", SCALE, _READ_WRITE)

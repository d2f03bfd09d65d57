"""Discovery documents: the groups, versions and resources of the API, and their verbs.

There are two forms with the same facts: the old one, a document for every group and version, and the aggregated one
(`apidiscovery.k8s.io/v2`), everything below `/api` or `/apis` in one answer. kubectl prefers the latter.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from fairlead.machinery.kinds.kind import GroupVersionKind, Kind, Subresource
from fairlead.machinery.kinds.priorities import group_priority, version_order, version_priority
from fairlead.machinery.kinds.subresources import subresources_of

Tree = dict[str, Any]
Kinds = Iterable[Kind[Any]]

AGGREGATED_MEDIA_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""The `Content-Type` of `aggregated`, and the clause of `Accept` that requests it."""


def wants_aggregated(accept: str) -> bool:
    """Returns whether the `Accept` header of a request for `/api` or `/apis` requests the aggregated form."""
    parameters = set(AGGREGATED_MEDIA_TYPE.split(";"))
    return any(parameters <= {part.strip() for part in clause.split(";")} for clause in accept.split(","))


def api_versions(server_address: str = "") -> Tree:
    """Returns the document at `/api`: the versions of the core group."""
    address = [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}] if server_address else []
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": address}


def api_groups(kinds: Kinds) -> Tree:
    """Returns the document at `/apis`: every group except the core group."""
    groups = [_api_group(group, versions) for group, versions in _groups(kinds).items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(kinds: Kinds, group: str) -> Tree | None:
    """Returns the document at `/apis/<group>`; None if the group does not exist."""
    versions = _groups(kinds).get(group)
    return {"kind": "APIGroup", "apiVersion": "v1"} | _api_group(group, versions) if group and versions else None


def api_resources(kinds: Kinds, group_version: str) -> Tree | None:
    """Returns the document at `/api/v1` or `/apis/<group>/<version>`; None if the version does not exist."""
    served = sorted((kind for kind in kinds if kind.api_version == group_version), key=lambda kind: kind.plural)
    if not served:
        return None
    resources = [entry for kind in served for entry in _api_resources(kind)]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def aggregated(kinds: Kinds, *, core: bool) -> Tree:
    """Returns everything below `/api` (`core=True`) or `/apis`, with content type `AGGREGATED_MEDIA_TYPE`."""
    items = [
        {
            "metadata": {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None},
            "versions": [
                {"version": version, "resources": [_discovered(kind) for kind in served], "freshness": "Current"}
                for version, served in versions.items()
            ],
        }
        for group, versions in _groups(kinds).items()
        if core is (group == "")
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _groups(kinds: Kinds) -> dict[str, dict[str, list[Kind[Any]]]]:
    """Returns the kinds by group and version, those that clients prefer first; kinds by plural."""
    groups: dict[str, dict[str, list[Kind[Any]]]] = {}
    for kind in sorted(kinds, key=lambda kind: kind.plural):
        groups.setdefault(kind.group, {}).setdefault(kind.version, []).append(kind)
    names = sorted(groups, key=lambda group: (-group_priority(group), group))
    return {name: dict(sorted(groups[name].items(), key=partial(_rank, name), reverse=True)) for name in names}


def _rank(group: str, item: tuple[str, object]) -> tuple[int, tuple[int, int, int, str]]:
    version = item[0]
    return version_priority(group, version), version_order(version)


def _api_group(group: str, versions: Iterable[str]) -> Tree:
    named = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": named, "preferredVersion": named[0]}


def _api_resources(kind: Kind[Any]) -> list[Tree]:
    entry: Tree = {
        "name": kind.plural,
        "singularName": singular_of(kind),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    return [entry] + [_api_subresource(kind, sub) for sub in subresources_of(kind)]


def _api_subresource(kind: Kind[Any], sub: Subresource) -> Tree:
    entry: Tree = {"name": f"{kind.plural}/{sub.name}", "singularName": "", "namespaced": kind.namespaced}
    if (sub.gvk.group, sub.gvk.version) != (kind.group, kind.version):
        entry |= {"group": sub.gvk.group, "version": sub.gvk.version}
    return entry | {"kind": sub.gvk.kind, "verbs": list(sub.verbs)}


def _discovered(kind: Kind[Any]) -> Tree:
    entry: Tree = {
        "resource": kind.plural,
        "responseKind": _response_kind(kind.gvk),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": singular_of(kind),
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    subresources = [
        {"subresource": sub.name, "responseKind": _response_kind(sub.gvk), "verbs": list(sub.verbs)}
        for sub in subresources_of(kind)
    ]
    return entry | {"subresources": subresources} if subresources else entry


def _response_kind(gvk: GroupVersionKind) -> Tree:
    return {"group": gvk.group, "version": gvk.version, "kind": gvk.kind}


def singular_of(kind: Kind[Any]) -> str:
    return kind.singular or kind.kind.lower()

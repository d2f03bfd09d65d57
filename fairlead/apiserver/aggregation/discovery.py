"""Adds the groups and versions of other servers to the discovery documents and to the index of OpenAPI."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fairlead.apiserver.aggregation.registry import Remote
from fairlead.machinery.kinds.priorities import group_priority, version_order, version_priority

Tree = dict[str, Any]


def with_groups(document: Tree, remotes: Iterable[Remote]) -> Tree:
    """Returns the APIGroupList with the groups of other servers."""
    groups = {group["name"]: group for group in document["groups"]}
    priorities = {name: group_priority(name) for name in groups}
    for remote in remotes:
        groups[remote.group] = with_version(groups.get(remote.group), remote)
        priorities[remote.group] = max(priorities.get(remote.group, 0), remote.group_priority)
    names = sorted(groups, key=lambda name: (-priorities[name], name))
    return document | {"groups": [groups[name] for name in names]}


def with_version(group: Tree | None, remote: Remote) -> Tree:
    """Returns the APIGroup with the version of another server."""
    entry = {"groupVersion": remote.api_version, "version": remote.version}
    known = [version for version in (group or {}).get("versions", ()) if version["version"] != remote.version]
    priorities = {version["version"]: version_priority(remote.group, version["version"]) for version in known}
    priorities[remote.version] = remote.version_priority
    versions = sorted([*known, entry], key=lambda v: _rank(priorities[v["version"]], v["version"]), reverse=True)
    return (group or {"name": remote.group}) | {"versions": versions, "preferredVersion": versions[0]}


def with_discovered(document: Tree, remotes: Iterable[Remote]) -> Tree:
    """Returns the APIGroupDiscoveryList with the resources of other servers."""
    items = {item["metadata"].get("name", ""): item for item in document["items"]}
    priorities = {name: group_priority(name) for name in items}
    for remote in remotes:
        item = items.get(remote.group) or {
            "metadata": {"name": remote.group, "creationTimestamp": None},
            "versions": [],
        }
        entry = {
            "version": remote.version,
            "resources": discovered(remote),
            "freshness": "Current" if remote.available else "Stale",
        }
        known = [version for version in item["versions"] if version["version"] != remote.version]
        ranks = {version["version"]: version_priority(remote.group, version["version"]) for version in known}
        ranks[remote.version] = remote.version_priority
        key = {name: _rank(rank, name) for name, rank in ranks.items()}
        versions = sorted([*known, entry], key=lambda version: key[version["version"]], reverse=True)
        items[remote.group] = item | {"versions": versions}
        priorities[remote.group] = max(priorities.get(remote.group, 0), remote.group_priority)
    names = sorted(items, key=lambda name: (-priorities[name], name))
    return document | {"items": [items[name] for name in names]}


def discovered(remote: Remote) -> list[Tree]:
    """Returns the resources of an APIResourceList in the aggregated form: subresources within their resource."""
    found: dict[str, Tree] = {}
    for entry in remote.resources.get("resources") or ():
        name, _, sub = entry["name"].partition("/")
        kind = {
            "group": entry.get("group") or remote.group,
            "version": entry.get("version") or remote.version,
            "kind": entry.get("kind", ""),
        }
        facts: Tree = {"responseKind": kind, "verbs": entry.get("verbs") or []}
        if sub:
            parent = found.setdefault(name, {"resource": name})
            parent.setdefault("subresources", []).append({"subresource": sub} | facts)
            continue
        scope = "Namespaced" if entry.get("namespaced") else "Cluster"
        facts |= {"resource": name, "scope": scope, "singularResource": entry.get("singularName", "")}
        facts |= {key: entry[key] for key in ("shortNames", "categories") if entry.get(key)}
        found[name] = facts | found.get(name, {})
    return list(found.values())


def with_documents(index: Tree, remotes: Iterable[Remote]) -> Tree:
    """Returns the index of OpenAPI with the documents of other servers."""
    paths = index["paths"] | {
        f"apis/{remote.api_version}": {"serverRelativeURL": remote.openapi} for remote in remotes if remote.openapi
    }
    return index | {"paths": dict(sorted(paths.items()))}


def _rank(priority: int, version: str) -> tuple[int, tuple[int, int, int, str]]:
    return priority, version_order(version)

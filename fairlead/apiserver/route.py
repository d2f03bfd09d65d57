"""From a request's path to what it means, by splitting: no router, because this runs on every request."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.apiserver.watchcache.resource import Resource, Resources

_OF_NAMESPACES = frozenset({"status", "finalize"})


@dataclass(frozen=True, slots=True)
class Target:
    """What a path below /api or /apis names: a collection, an object, or its subresource."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    watch: bool = False
    """The old form `/api/v1/watch/...`."""


def resolve(resources: Resources, path: str) -> Target | None:
    """The target, or None where the path names nothing we serve."""
    parts = path.split("/")
    if len(parts) < 4:
        return None
    if parts[1] == "api":
        group, version, rest = "", parts[2], parts[3:]
    elif parts[1] == "apis" and len(parts) > 4:
        group, version, rest = parts[2], parts[3], parts[4:]
    else:
        return None
    watch = rest[0] == "watch" and len(rest) > 1
    if watch:
        del rest[0]
    if rest[-1] == "":
        rest.pop()  # what is left of a proxied path matters to nobody here
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces" and not (len(rest) == 3 and rest[2] in _OF_NAMESPACES):
        namespace, rest = rest[1], rest[2:]
    if not rest or (len(rest) > 3 and rest[2] != "proxy"):
        return None
    resource = resources.find(group, version, rest[0])
    if resource is None or (namespace and not resource.kind.namespaced):
        return None
    name = rest[1] if len(rest) > 1 else ""
    if name and resource.kind.namespaced and not namespace:
        return None
    return Target(resource, namespace, name, rest[2] if len(rest) > 2 else "", watch)


def proxied_from(path: str) -> int:
    """Where in `path.split("/")` a path to be proxied begins; 0 for a path that is all ours."""
    if "/proxy" not in path:
        return 0
    parts = path.split("/")
    if parts[1:2] != ["api"]:
        return 0
    if len(parts) > 7 and parts[3] == "namespaces" and parts[5] in ("services", "pods") and parts[7] == "proxy":
        return 8
    return 6 if len(parts) > 5 and parts[3] == "nodes" and parts[5] == "proxy" else 0

"""The target of a request: its `RequestInfo` resolved against the served kinds."""

from __future__ import annotations

import msgspec

from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.apiserver.watchcache.resource import Resource, Resources


class Target(msgspec.Struct, frozen=True):
    """The collection, object or subresource that a path below /api or /apis names."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def find_target(resources: Resources, info: RequestInfo) -> Target | None:
    """Returns the target, or None if the path names nothing that is served."""
    resource = resources.served.get((info.api_group, info.api_version, info.resource))
    if resource is None or not info.well_formed:
        return None
    parts = info.parts
    name = parts[1] if len(parts) > 1 else ""
    if not resource.kind.namespaced:
        return Target(resource, "", name, info.subresource) if not info.namespace or info.is_of_namespace else None
    if name and not info.namespace:
        return None
    return Target(resource, info.namespace, name, info.subresource)

"""RequestInfo: the meaning of a request, parsed once from its method, path and query.

What must stay true: no other module parses a request's path; authorization, admission, dispatch, metrics and proxying
read this value. It is syntax only: `watchcache.target` checks later if the resource exists.

Source: names and meaning of the fields are those of upstream's `RequestInfo`; `connect` is not a verb: exec is
`create` or `get` of `pods/exec`, so that rules can tell the two apart.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from fairlead.machinery.values.names import path_segment
from fairlead.machinery.values.query import flag
from fairlead.machinery.values.selectors import parse_field_selector
from fairlead.machinery.values.status import StatusError

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OF_NAMESPACES = frozenset({"status", "finalize"})
"""The subresources of a namespace; any other word after a namespace's name is a resource in the namespace."""
_KEPT_LENGTH = 256
"""Characters of the longest path that is kept with its meaning: 512 of these are 0.3 MB."""
_ANY_NAME = "-"
"""Stands for the name of any object; neither a namespace nor a resource has this name."""
_WITH_SELECTORS = frozenset({"list", "watch", "deletecollection"})


class RequestInfo(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request: about a resource if `is_resource_request`, otherwise about `path` alone."""

    method: str
    path: str
    verb: str
    """The verb `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection` of a resource
    request, "" if its method has no meaning; the method in lower case for other requests."""
    is_resource_request: bool = False
    api_group: str = ""
    api_version: str = ""
    namespace: str = ""
    """Also set if the request is about the namespace itself."""
    resource: str = ""
    name: str = ""
    """Also set if a list or watch selects one name by `metadata.name`."""
    subresource: str = ""
    well_formed: bool = True
    """False if the path has the form of a resource request but cannot name anything: empty or too many segments."""
    parts: tuple[str, ...] = ()
    """The segments of the path from the resource on, including those after a subresource (a path to be proxied)."""
    field_selector: str = ""
    label_selector: str = ""

    @property
    def qualified_resource(self) -> str:
        """Returns `pods`, or `pods/exec` for a subresource."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    @property
    def is_of_namespace(self) -> bool:
        """Returns whether `namespace` is the object itself, and not the namespace of another object."""
        return self.resource == "namespaces" and self.path.count("/namespaces/") == 1

    @property
    def proxied_from(self) -> int:
        """Returns the index in `path.split("/")` of the path after a `proxy` subresource; 0 for other requests."""
        if self.subresource != "proxy":
            return 0
        inside = 2 if self.namespace and not self.is_of_namespace else 0
        return 6 + inside + bool(self.api_group) + (self.verb == "watch")


def origin_form(target: str) -> str:
    """Returns path and query of a request's target, which may be a whole URL (RFC 9112, 3.2.2)."""
    if target.startswith("/"):
        return target
    scheme, mark, rest = target.partition("://")
    if not mark or scheme.lower() not in ("http", "https"):
        return target
    path = rest[next((i for i, character in enumerate(rest) if character in "/?"), len(rest)) :]
    return path if path.startswith("/") else f"/{path}"


def request_info(method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
    """Returns the meaning of a request; an unknown path becomes a request about that path alone."""
    if query or len(path) > _KEPT_LENGTH:
        return _parsed(method, path, query)
    collection, _, name = path.rpartition("/")
    one = _object_of(method, collection) if name else None
    if one is None:
        return _kept(method, path)
    return replace(one, path=path, name=name, parts=(one.resource, name))


@functools.lru_cache(maxsize=512)
def _kept(method: str, path: str) -> RequestInfo:
    """Returns the meaning of a request without a query, from a cache: most requests of a cluster repeat others."""
    return _parsed(method, path, {})


@functools.lru_cache(maxsize=512)
def _object_of(method: str, collection: str) -> RequestInfo | None:
    """Returns the meaning of a request for an object of a collection; None if the path is not that of a collection, or
    if more than name, path and parts depend on the object's name."""
    info = _parsed(method, f"{collection}/{_ANY_NAME}", {})
    plain = info.parts == (info.resource, _ANY_NAME) and info.namespace != _ANY_NAME
    return info if plain and info.resource != _ANY_NAME else None


def _parsed(method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
    pieces = path.split("/")
    group, version, rest = _api_pieces(pieces)
    if not rest:
        return RequestInfo(method=method, path=path, verb=method.lower())
    verb, namespace = _VERBS.get(method, ""), ""
    if rest[0] == "watch" and len(rest) > 1:
        verb = "watch"
        del rest[0]
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if namespace and len(rest) > 2 and rest[2] not in _OF_NAMESPACES:
            del rest[:2]
    count = len(rest)
    name = rest[1] if count > 1 else ""
    selected = name
    if not name:
        if verb == "get":
            verb, selected = "watch" if flag(query, "watch") else "list", _selected_name(query)
        elif verb == "delete":
            verb = "deletecollection"
    selects = bool(query) and not name and verb in _WITH_SELECTORS
    return RequestInfo(
        method=method,
        path=path,
        verb=verb,
        is_resource_request=True,
        api_group=group,
        api_version=version,
        namespace=namespace,
        resource=rest[0],
        name=selected,
        subresource=rest[2] if count > 2 else "",
        well_formed="" not in rest[:3] and not (count > 2 and (verb == "watch" or (count > 3 and rest[2] != "proxy"))),
        parts=tuple(rest),
        field_selector=query.get("fieldSelector", "") if selects else "",
        label_selector=query.get("labelSelector", "") if selects else "",
    )


def _api_pieces(pieces: list[str]) -> tuple[str, str, list[str]]:
    """Returns group, version and the segments after them; no segments if the path names no resource."""
    if len(pieces) > 3 and pieces[1] == "api":
        group, version, rest = "", pieces[2], pieces[3:]
    elif len(pieces) > 4 and pieces[1] == "apis":
        group, version, rest = pieces[2], pieces[3], pieces[4:]
    else:
        return "", "", []
    if rest[-1] == "":
        rest.pop()
    return group, version, rest


def _selected_name(query: Mapping[str, str]) -> str:
    """Returns the single name that a list or watch is restricted to, or ""."""
    text = query.get("fieldSelector", "") if query else ""
    if "metadata.name" not in text:
        return ""
    try:
        name = parse_field_selector(text).exact("metadata.name") or ""
    except StatusError:
        return ""  # the verb refuses the selector and gives the reason
    return "" if path_segment(name) else name

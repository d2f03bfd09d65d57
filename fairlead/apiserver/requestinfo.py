"""RequestInfo: the meaning of a request, parsed once from its method, path and query.

What must stay true: no other module takes a request's path apart; authorization, admission, dispatch, metrics and
proxying read this value. It is syntax only: whether the resource exists is asked later (`watchcache.target`).

Source: names and meaning of the fields are those of upstream's `RequestInfo`; `connect` is not a verb: exec
is `create` or `get` of `pods/exec`, so that rules can tell the two apart.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fairlead.machinery.names import path_segment
from fairlead.machinery.query import flag
from fairlead.machinery.selectors import parse_field_selector
from fairlead.machinery.status import StatusError

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OF_NAMESPACES = frozenset({"status", "finalize"})
"""The subresources of a namespace; any other word after its name is a resource inside the namespace."""
_WITH_SELECTORS = frozenset({"list", "watch", "deletecollection"})


class RequestInfo(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request: of a resource if `is_resource_request`, otherwise of `path` alone."""

    method: str
    path: str
    verb: str
    """A resource request has `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, or an
    empty verb for a method without a meaning; other requests have the method in lower case."""
    is_resource_request: bool = False
    api_group: str = ""
    api_version: str = ""
    namespace: str = ""
    """Also of a request for the namespace itself."""
    resource: str = ""
    name: str = ""
    """Also the one that a list or watch selects by `metadata.name`."""
    subresource: str = ""
    parts: tuple[str, ...] = ()
    """The pieces of the path from the resource on, also those behind a subresource: a path to be proxied."""
    field_selector: str = ""
    label_selector: str = ""

    @property
    def qualified_resource(self) -> str:
        """Returns `pods`, or `pods/exec` for a subresource."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    @property
    def is_of_namespace(self) -> bool:
        """Returns whether `namespace` is the object itself, and not the place of another object."""
        return self.resource == "namespaces" and self.path.count("/namespaces/") == 1

    @property
    def proxied_from(self) -> int:
        """Returns where in `path.split("/")` the path behind a `proxy` subresource begins; 0 for other requests."""
        if self.subresource != "proxy":
            return 0
        inside = 2 if self.namespace and not self.is_of_namespace else 0
        return 6 + inside + bool(self.api_group) + (self.verb == "watch")


def request_info(method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
    """Returns what the request asks for; a path without meaning is a request of that path."""
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
        parts=tuple(rest),
        field_selector=query.get("fieldSelector", "") if selects else "",
        label_selector=query.get("labelSelector", "") if selects else "",
    )


def _api_pieces(pieces: list[str]) -> tuple[str, str, list[str]]:
    """Returns group, version and what is behind them; nothing behind them if no resource is named."""
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
    """Returns the one name that a list or watch is restricted to, if any."""
    text = query.get("fieldSelector", "") if query else ""
    if "metadata.name" not in text:
        return ""
    try:
        name = parse_field_selector(text).exact("metadata.name") or ""
    except StatusError:
        return ""  # the verb refuses the selector and says why
    return "" if path_segment(name) else name

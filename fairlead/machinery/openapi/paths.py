"""OpenAPI operations of a kind: the requests of each path, with their parameters and bodies.

kubectl finds an object's kind in the `patch` operations (by `x-kubernetes-group-version-kind`) to learn whether the
server validates fields and supports strategic merge patches, so these must be complete and exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fairlead.base.dataclass import dataclass
from fairlead.machinery.kinds.kind import Kind, Subresource
from fairlead.machinery.kinds.subresources import subresources_of
from fairlead.machinery.openapi.meta import DELETE_OPTIONS, PATCH, SCALE, STATUS
from fairlead.machinery.openapi.schema import ref

Tree = dict[str, Any]

JSON = "application/json"
PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
)
STRATEGIC_PATCH = "application/strategic-merge-patch+json"


def _parameter(name: str, type: str, description: str) -> Tree:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": type, "uniqueItems": True},
    }


def _path_parameter(name: str, description: str) -> Tree:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "uniqueItems": True},
    }


_DRY_RUN = _parameter("dryRun", "string", "All: go through every step but change nothing.")
_FIELD_MANAGER = _parameter("fieldManager", "string", "Who makes the change.")
_FIELD_VALIDATION = _parameter(
    "fieldValidation", "string", "What becomes of unknown and repeated fields: Ignore, Warn or Strict."
)
_FORCE = _parameter("force", "boolean", "Take over fields of other managers; for apply patches only.")
_PRETTY = _parameter("pretty", "string", "true: indent the answer.")
_WRITE = (_DRY_RUN, _FIELD_MANAGER, _FIELD_VALIDATION)
_SELECT = (
    _parameter("continue", "string", "The token of an earlier part of the list."),
    _parameter("fieldSelector", "string", "Only objects whose fields match."),
    _parameter("labelSelector", "string", "Only objects whose labels match."),
    _parameter("limit", "integer", "At most so many objects."),
    _parameter("resourceVersion", "string", "How fresh the answer must be."),
    _parameter("resourceVersionMatch", "string", "How resourceVersion is meant."),
)
_WATCH = (
    _parameter("allowWatchBookmarks", "boolean", "Send bookmarks now and then."),
    _parameter("sendInitialEvents", "boolean", "Begin with an event for every object."),
    _parameter("timeoutSeconds", "integer", "End after so long."),
    _parameter("watch", "boolean", "Go on with changes."),
)
_DELETE = (
    _DRY_RUN,
    _parameter("gracePeriodSeconds", "integer", "How long the object may take to end."),
    _parameter("orphanDependents", "boolean", "The old form of propagationPolicy: Orphan."),
    _parameter("propagationPolicy", "string", "What becomes of dependents."),
)
_LOG = (
    _parameter("container", "string", "Which container."),
    _parameter("follow", "boolean", "Go on with new lines."),
    _parameter("limitBytes", "integer", "At most so many bytes."),
    _parameter("previous", "boolean", "The container's last run."),
    _parameter("sinceSeconds", "integer", "Only lines younger than this."),
    _parameter("tailLines", "integer", "Only the last lines."),
    _parameter("timestamps", "boolean", "Begin each line with its time."),
)


@dataclass(frozen=True, slots=True)
class KindNames:
    """A kind with its component names."""

    kind: Kind[Any]
    item: str
    list: str

    @property
    def camel(self) -> str:
        """Returns the middle of operation ids: `CoreV1`, `AppsV1`."""
        group = self.kind.group.split(".")[0] or "core"
        return group.capitalize() + self.kind.version.capitalize()


def paths_of(names: KindNames) -> Iterator[tuple[str, Tree]]:
    """Yields every path of the kind with its operations."""
    kind = names.kind
    namespace = "{namespace}" if kind.namespaced else ""
    if kind.namespaced:
        everywhere = {"get": _list(names, "ForAllNamespaces")}
        yield kind.path(), everywhere | {"parameters": [_PRETTY]}
    scope = [_path_parameter("namespace", "The namespace.")] if kind.namespaced else []
    namespaced = "Namespaced" if kind.namespaced else ""
    yield kind.path(namespace), _collection(names, namespaced) | {"parameters": [*scope, _PRETTY]}
    named = [_path_parameter("name", f"The {kind.kind}'s name."), *scope, _PRETTY]
    yield kind.path(namespace, "{name}"), _item(names, namespaced) | {"parameters": named}
    for sub in subresources_of(kind):
        yield kind.path(namespace, "{name}", sub.name), _subresource(names, namespaced, sub) | {"parameters": named}


def _operation(names: KindNames, verb: str, suffix: str, action: str, *parameters: Tree) -> Tree:
    tree: Tree = {
        "tags": [names.camel[0].lower() + names.camel[1:]],
        "operationId": f"{verb}{names.camel}{suffix}",
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": names.kind.gvk.tree(),
    }
    return tree | {"parameters": list(parameters)} if parameters else tree


def _answers(component: str, *codes: str) -> Tree:
    ok = {"description": "OK", "content": {JSON: {"schema": ref(component)}}}
    return {"responses": dict.fromkeys(codes or ("200",), ok) | {"401": {"description": "Unauthorized"}}}


def _takes(component: str, *types: str, required: bool = True) -> Tree:
    content = {type: {"schema": ref(component)} for type in types or ("*/*",)}
    body: Tree = {"content": content}
    return {"requestBody": body | {"required": True} if required else body}


def _list(names: KindNames, scope: str) -> Tree:
    suffix = f"{names.kind.kind}{scope}" if scope == "ForAllNamespaces" else f"{scope}{names.kind.kind}"
    return _operation(names, "list", suffix, "list", *_SELECT, *_WATCH) | _answers(names.list)


def _collection(names: KindNames, scope: str) -> Tree:
    kind = names.kind.kind
    operations = {
        "get": _list(names, scope),
        "post": _operation(names, "create", scope + kind, "post", *_WRITE)
        | _takes(names.item)
        | _answers(names.item, "200", "201", "202"),
    }
    if "deletecollection" in names.kind.verbs:
        operations["delete"] = (
            _operation(names, "delete", f"Collection{scope}{kind}", "deletecollection", *_SELECT, *_DELETE)
            | _takes(DELETE_OPTIONS, required=False)
            | _answers(STATUS)
        )
    return operations


def _item(names: KindNames, scope: str) -> Tree:
    return _read_write(names, scope + names.kind.kind, names.item) | {
        "delete": _operation(names, "delete", scope + names.kind.kind, "delete", *_DELETE)
        | _takes(DELETE_OPTIONS, required=False)
        | _answers(STATUS, "200", "202")
    }


def _patch_types(kind: Kind[Any]) -> tuple[str, ...]:
    """Returns the media types of patches. `kubectl apply` sends a strategic merge patch if it is listed."""
    return PATCH_TYPES if kind.schema.plain else (*PATCH_TYPES, STRATEGIC_PATCH)


def _read_write(names: KindNames, suffix: str, component: str) -> Tree:
    return {
        "get": _operation(names, "read", suffix, "get") | _answers(component),
        "put": _operation(names, "replace", suffix, "put", *_WRITE)
        | _takes(component)
        | _answers(component, "200", "201"),
        "patch": _operation(names, "patch", suffix, "patch", *_WRITE, _FORCE)
        | _takes(PATCH, *_patch_types(names.kind))
        | _answers(component, "200", "201"),
    }


def _subresource(names: KindNames, scope: str, sub: Subresource) -> Tree:
    suffix = f"{scope}{names.kind.kind}{sub.name.capitalize()}"
    gvk = {"x-kubernetes-group-version-kind": sub.gvk.tree()}
    if "patch" in sub.verbs:
        component = SCALE if sub.foreign else names.item
        return {method: tree | gvk for method, tree in _read_write(names, suffix, component).items()}
    text: Tree = {"responses": {"200": {"description": "OK"}, "401": {"description": "Unauthorized"}}}
    operations: Tree = {}
    if "get" in sub.verbs:
        parameters = _LOG if sub.name == "log" else ()
        operations["get"] = _operation(names, "connectGet", suffix, "connect", *parameters) | gvk | text
    if "create" in sub.verbs:
        operations["post"] = _operation(names, "create", suffix, "post", *_WRITE) | gvk | text
    if "update" in sub.verbs:
        operations["put"] = _operation(names, "replace", suffix, "put", *_WRITE) | gvk | text
    return operations

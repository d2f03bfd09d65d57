"""OpenAPI documents, derived from the kinds: one document for each group and version in version 3, one for all in
version 2.

Building the document of the core group takes some tens of milliseconds, so it is built on the first request; the caller
keeps the result (or uses an `OpenApi`, which keeps it). Clients cache by the hash in the index's addresses, so the hash
is that of the document itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

import msgspec

from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.openapi.meta import META_COMPONENTS, list_schema
from fairlead.machinery.openapi.paths import JSON, KindNames, paths_of
from fairlead.machinery.openapi.schema import INT_OR_STRING, QUANTITY, SCALARS, Names, components_for

Tree = dict[str, Any]
Kinds = Collection[Kind[Any]]

_REF_V3 = "#/components/schemas/"
_REF_V2 = "#/definitions/"
_V2_SCALARS: Tree = {
    INT_OR_STRING: {"type": "string", "format": "int-or-string"},
    QUANTITY: {"type": "string"},
}
_encode = msgspec.json.Encoder(order="deterministic").encode


class OpenApi:
    """The documents of a list of kinds, encoded, each built once."""

    def __init__(self, kinds: Kinds, *, version: str = "v1") -> None:
        self._kinds = tuple(kinds)
        self._version = version
        self._made: dict[str, bytes] = {}

    def index(self) -> bytes:
        """Returns the document at `/openapi/v3`."""
        return self._cached("index", lambda: openapi_v3_index(self._kinds, version=self._version))

    def v3(self, path: str) -> bytes | None:
        """Returns the document at `/openapi/v3/<path>`, as in `api/v1` or `apis/apps/v1`; None if it does not exist."""
        group_version = next((k.api_version for k in self._kinds if _path_of(k) == path), None)
        if group_version is None:
            return None
        return self._cached(path, lambda: openapi_v3(self._kinds, group_version, version=self._version))

    def v2(self) -> bytes:
        """Returns the document at `/openapi/v2`."""
        return self._cached("v2", lambda: openapi_v2(self._kinds, version=self._version))

    def _cached(self, key: str, make: Any) -> bytes:
        if key not in self._made:
            self._made[key] = _encode(make())
        return self._made[key]


def openapi_v3_index(kinds: Kinds, *, version: str = "v1") -> Tree:
    """Returns the index: the address of each document."""
    return {
        "paths": {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={_hash(openapi_v3(kinds, gv, version=version))}"}
            for path, gv in sorted({_path_of(k): k.api_version for k in kinds}.items())
        }
    }


def _path_of(kind: Kind[Any]) -> str:
    return f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"


def _hash(document: Tree) -> str:
    return hashlib.sha256(_encode(document)).hexdigest().upper()


def openapi_v3(kinds: Kinds, group_version: str, *, version: str = "v1") -> Tree:
    """Returns the document of one group and version."""
    names = Names(kinds)
    own = [kind for kind in kinds if kind.api_version == group_version]
    paths = {path: tree for kind in own for path, tree in paths_of(_named(kind, names))}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Fairlead", "version": version},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": _components(own, names)},
    }


def _named(kind: Kind[Any], names: Names) -> KindNames:
    return KindNames(kind, names[kind.schema], names[kind.schema] + "List")


def _components(kinds: Kinds, names: Names) -> Tree:
    components = components_for(kinds, names) | META_COMPONENTS | SCALARS
    for kind in kinds:
        name, gvk = names[kind.schema], kind.gvk.tree()
        components[name] = components[name] | {"x-kubernetes-group-version-kind": [gvk]}
        components[name + "List"] = list_schema(name, gvk | {"kind": kind.list_kind})
    return dict(sorted(components.items()))


def openapi_v2(kinds: Kinds, *, version: str = "v1") -> Tree:
    """Returns all groups in the older form (Swagger 2.0)."""
    names = Names(kinds)
    paths = {path: tree for kind in kinds for path, tree in paths_of(_named(kind, names))}
    components = _components(kinds, names) | _V2_SCALARS
    for kind in kinds:
        if (document := kind.schema.document) is not None:
            gvk = {"x-kubernetes-group-version-kind": [kind.gvk.tree()]}
            components[names[kind.schema]] = document(True) | gvk
    definitions = {name: _schema_v2(tree) for name, tree in components.items()}
    return {
        "swagger": "2.0",
        "info": {"title": "Fairlead", "version": version},
        "paths": {path: _path_v2(tree) for path, tree in sorted(paths.items())},
        "definitions": dict(sorted(definitions.items())),
    }


def _schema_v2(tree: Any) -> Any:
    """Converts a schema to version 2, which lacks `allOf` around a single reference, and other addresses."""
    if isinstance(tree, list):
        return [_schema_v2(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if isinstance(tree.get("$ref"), str):  # a type may have a property of that name
        return {"$ref": tree["$ref"].replace(_REF_V3, _REF_V2)}
    if isinstance(tree.get("allOf"), list):
        rest = {k: _schema_v2(v) for k, v in tree.items() if k not in ("allOf", "default")}
        return {"$ref": tree["allOf"][0]["$ref"].replace(_REF_V3, _REF_V2), **rest}
    return {k: _schema_v2(v) for k, v in tree.items()}


def _path_v2(tree: Tree) -> Tree:
    return {
        method: [_parameter_v2(p) for p in inner] if method == "parameters" else _operation_v2(inner)
        for method, inner in tree.items()
    }


def _parameter_v2(parameter: Tree) -> Tree:
    rest = {k: v for k, v in parameter.items() if k != "schema"}
    return {**rest, **parameter["schema"]}


def _operation_v2(operation: Tree) -> Tree:
    tree = {k: v for k, v in operation.items() if k not in ("requestBody", "parameters", "responses")}
    parameters = [_parameter_v2(p) for p in operation.get("parameters", ())]
    body = operation.get("requestBody")
    if body:
        content: Tree = body["content"]
        schema: Tree = _schema_v2(next(iter(content.values()))["schema"])
        parameters.append({"name": "body", "in": "body", "schema": schema} | _required(body))
        tree["consumes"] = list(content)
    responses = {code: _response_v2(answer) for code, answer in operation["responses"].items()}
    return tree | {"parameters": parameters, "produces": [JSON], "responses": responses}


def _required(body: Tree) -> Tree:
    return {"required": True} if body.get("required") else {}


def _response_v2(answer: Tree) -> Tree:
    content = answer.get("content")
    tree = {"description": answer["description"]}
    return tree | {"schema": _schema_v2(content[JSON]["schema"])} if content else tree

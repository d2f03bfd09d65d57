"""OpenAPI schemas of kinds, with upstream's names.

Clients use more of these than documentation: `kubectl apply` reads merge keys and strategies from the `x-kubernetes-*`
extensions, and follows `$ref`s to find them. So the form (`allOf` around a `$ref` with a default) is exactly
upstream's. A struct belongs to the group of the kind that is declared in the same module, and to `meta/v1` if it is
declared with `ObjectMeta`. Otherwise it belongs to the only group whose kinds contain it, or else to the core group, as
upstream has it for types that several groups share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fairlead.machinery.kinds.kind import Atomic, Default, Kind, ListMap, OneOf, Range, Required, RetainKeys, SetList
from fairlead.machinery.schemas.schema import Field, Schema, TypeInfo

Tree = dict[str, Any]

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
TIME = META + "Time"
MICRO_TIME = META + "MicroTime"
FIELDS_V1 = META + "FieldsV1"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
RAW = "io.k8s.apimachinery.pkg.runtime.RawExtension"

SCALARS: dict[str, Tree] = {
    TIME: {"type": "string", "format": "date-time", "description": "Point in time in RFC 3339 form, with seconds."},
    MICRO_TIME: {
        "type": "string",
        "format": "date-time",
        "description": "Point in time in RFC 3339 form, with microseconds.",
    },
    FIELDS_V1: {
        "type": "object",
        "description": "Set of fields in a trie: keys are path elements (f:<name>, k:<keys>, v:<value>, i:<index>).",
    },
    RAW: {"type": "object", "description": "JSON object of any structure, stored unchanged."},
    INT_OR_STRING: {
        "oneOf": [{"type": "integer"}, {"type": "string"}],
        "format": "int-or-string",
        "description": "Integer or string; a string is a name or a percentage, as the field says.",
    },
    QUANTITY: {
        "oneOf": [{"type": "string"}, {"type": "number"}],
        "description": "Amount as a number with an optional suffix, such as 500m, 2, 64Mi or 1.5Gi.",
    },
}
"""Types with names of their own upstream that are scalars in this project."""

_DOCS = {
    "apiVersion": "API group and version of the schema in which the object is written.",
    "kind": "Kind of the object, in CamelCase; cannot be changed.",
    "metadata": "Standard object's metadata: name, namespace, labels and annotations.",
    "spec": "Desired state of the object; written by its users.",
    "status": "Most recently observed state of the object; written by the system.",
}


def package_of(group: str, version: str) -> str:
    """Returns the package of a group and version: `io.k8s.api.core.v1.`, `io.k8s.api.discovery.v1.`, ..."""
    return f"io.k8s.api.{group.split('.')[0] or 'core'}.{version}."


class Names:
    """The component name of every named schema that the kinds refer to."""

    def __init__(self, kinds: Iterable[Kind[Any]]) -> None:
        self._packages: dict[str, str] = {}
        """Packages by Python module."""
        self._folders: dict[str, set[str]] = {}
        """Packages by the folder of a group, two levels above the modules of its kinds."""
        self._holders: dict[Schema, set[str]] = {}
        """By schema: the packages of the kinds that contain it."""
        for kind in kinds:
            schema = kind.schema
            package = package_of(kind.group, kind.version)
            self._packages[_module(schema)] = package
            self._folders.setdefault(_folder(schema), set()).add(package)
            if (metadata := schema.fields["metadata"].type.schema) is not None:
                self._packages[_module(metadata)] = META
            self._reach(schema, package)
        self._packages.pop("", None)
        self._folders.pop("", None)
        self._names: dict[Schema, str] = {held: self._package(held) + held.name for held in self._holders}

    def _reach(self, schema: Schema, package: str) -> None:
        holders = self._holders.setdefault(schema, set())
        if package not in holders:
            holders.add(package)
            for inner in schemas_in(schema):
                self._reach(inner, package)

    def _package(self, schema: Schema) -> str:
        if schema.package:
            return schema.package
        if package := self._packages.get(_module(schema)):
            return package
        for packages in (self._folders.get(_folder(schema), ()), self._holders[schema]):
            if len(packages) == 1:
                return next(iter(packages))
        return package_of("", "v1")

    def __getitem__(self, schema: Schema) -> str:
        return self._names[schema]

    def items(self) -> Iterable[tuple[Schema, str]]:
        return self._names.items()


def _module(schema: Schema) -> str:
    """Returns the Python module that declares the type; empty if the schema is read off a document."""
    return str(schema.source.__module__) if schema.source is not None else ""


def _folder(schema: Schema) -> str:
    return ".".join(_module(schema).split(".")[:-2])


def schemas_in(schema: Schema) -> Iterator[Schema]:
    """Yields the schemas with names that a schema's fields contain directly, or inside schemas without a name."""
    fields = schema.fields.values() if schema.document is None else [schema.fields["metadata"]]
    for field in fields:
        info: TypeInfo | None = field.type
        while info is not None:
            if info.schema is not None:
                if info.schema.name:
                    yield info.schema
                else:
                    yield from schemas_in(info.schema)
            info = info.item


def components_for(kinds: Iterable[Kind[Any]], names: Names) -> Tree:
    """Returns the schemas of the kinds and of everything that they refer to, by component name."""
    components: Tree = {}
    waiting = [kind.schema for kind in kinds]
    while waiting:
        schema = waiting.pop()
        if names[schema] not in components:
            components[names[schema]] = object_tree(schema, names)
            waiting += schemas_in(schema)
    return components


def object_tree(schema: Schema, names: Names) -> Tree:
    """Returns the OpenAPI form of a schema."""
    if schema.document is not None:
        return schema.document(False)
    tree: Tree = {"type": "object"}
    if schema.doc:
        tree["description"] = schema.doc
    if schema.fields:
        tree["properties"] = {f.name: field_schema(f, names) for f in sorted(schema.fields.values(), key=_name)}
    required = sorted(f.name for f in schema.fields.values() if f.marker(Required) is not None)
    return tree | {"required": required} if required else tree


def _name(field: Field) -> str:
    return field.name


def field_schema(field: Field, names: Names) -> Tree:
    tree = _type_schema(field.type, names)
    description = field.doc or _DOCS.get(field.name, "")
    if description:
        tree["description"] = description
    return tree | _extensions(field.type)


def _type_schema(info: TypeInfo, names: Names) -> Tree:
    """Returns the schema of a type. As upstream, a reference that has other keys beside it is wrapped in `allOf`."""
    match info.shape:
        case "list":
            return {"type": "array", "items": _item_schema(info, names)}
        case "map":
            return {"type": "object", "additionalProperties": _item_schema(info, names)}
        case "struct" if info.schema is not None:
            if not info.schema.name:
                return object_tree(info.schema, names)
            tree: Tree = {"allOf": [ref(names[info.schema])]}
            return tree if info.nullable else tree | {"default": {}}
        case _:
            return _scalar_schema(info)


def _item_schema(info: TypeInfo, names: Names) -> Tree:
    return _type_schema(info.item, names) if info.item else {}


def _scalar_schema(info: TypeInfo) -> Tree:
    named = _named_scalar(info)
    if named:
        return {"allOf": [ref(named)]}
    match info.shape:
        case "int":
            return {"type": "integer", "format": "int64" if info.format == "int64" else "int32"} | _limits(info)
        case "bool":
            return {"type": "boolean"}
        case "float":
            return {"type": "number", "format": "double"}
        case "bytes":
            return {"type": "string", "format": "byte"}
        case _:
            given = info.marker(Default)
            tree: Tree = {"type": "string"} | ({"default": given.value} if given else {})
            if info.format == "byte":
                tree["format"] = "byte"
            choices = info.marker(OneOf)
            return tree | {"enum": sorted(choices.values)} if choices else tree


def _limits(info: TypeInfo) -> Tree:
    bounds = info.marker(Range)
    return {"minimum": bounds.low, "maximum": bounds.high} if bounds else {}


def _named_scalar(info: TypeInfo) -> str:
    match info.shape, info.format:
        case "string", "date-time":
            return TIME
        case "string", "date-time-micro":
            return MICRO_TIME
        case "int-or-string", _:
            return INT_OR_STRING
        case "quantity", _:
            return QUANTITY
        case "raw", _:
            return RAW
        case _:
            return ""


def _extensions(info: TypeInfo) -> Tree:
    tree: Tree = {}
    keyed, as_set = info.marker(ListMap), info.marker(SetList)
    if keyed and keyed.keys:
        tree |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keyed.keys)}
    elif as_set:
        tree["x-kubernetes-list-type"] = "set"
    elif info.shape == "list" and (keyed or info.marker(Atomic) is not None):
        tree["x-kubernetes-list-type"] = "atomic"
    elif info.marker(Atomic) is not None:
        tree["x-kubernetes-map-type"] = "atomic"
    if keyed and keyed.patch_key:
        tree["x-kubernetes-patch-merge-key"] = keyed.patch_key
    strategy = _patch_strategy(info)
    return tree | {"x-kubernetes-patch-strategy": strategy} if strategy else tree


def _patch_strategy(info: TypeInfo) -> str:
    keyed, as_set = info.marker(ListMap), info.marker(SetList)
    parts = []
    if (keyed and keyed.patch_key) or (as_set and as_set.merge):
        parts.append("merge")
    if info.marker(RetainKeys) is not None or (keyed and keyed.retain_keys):
        parts.append("retainKeys")
    return ",".join(parts)


def ref(name: str) -> Tree:
    return {"$ref": f"#/components/schemas/{name}"}

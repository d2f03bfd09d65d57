"""The codec of a version of a custom resource: keeps what its schema knows, and fills in its defaults.

The schema is read at its first use, by `read`: a cluster with large definitions and few objects keeps none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.api.apiextensions.custom.document import RootSchema, openapi_tree, reversed_package
from fairlead.api.apiextensions.structural.embedded import coerce, has_embedded
from fairlead.api.apiextensions.structural.node import Node, any_of, has_rules
from fairlead.api.apiextensions.structural.pruning import default, prune, prune_nulls
from fairlead.api.meta.types import Object, ObjectMeta
from fairlead.api.meta.unstructured import Unstructured, UnstructuredCodec
from fairlead.machinery.schemas.prune import Pruner
from fairlead.machinery.schemas.schema import Schema, schema_of

if TYPE_CHECKING:
    from fairlead.api.apiextensions.structural.rules import Rules

Tree = dict[str, Any]

_META = frozenset(("kind", "apiVersion", "metadata"))
_HEADER = schema_of(Object)
_decode = msgspec.json.Decoder(Tree).decode
_encode = msgspec.json.Encoder().encode


class CustomCodec(UnstructuredCodec):
    """Implements `Codec` for one version of a custom resource. `renew` gives it another schema."""

    def __init__(self, group: str, version: str, kind: str, read: Callable[[], Tree]) -> None:
        self.group, self.version, self.kind = group, version, kind
        self._read = read
        self._node: Node | None = None
        self._rules: Rules | None = None
        self._schema: Schema | None = None
        self._traits: tuple[bool, bool, bool] | None = None

    def renew(self, other: CustomCodec) -> None:
        """Takes over the schema of another codec."""
        self._read = other._read
        self._node = self._rules = self._schema = self._traits = None

    @property
    def node(self) -> Node:
        if self._node is None:
            self._node = Node(self._read())
        return self._node

    @property
    def rules(self) -> Rules | None:
        """Returns the rules in CEL; None for a schema without rules."""
        if self._rules is None and self._has[0]:
            from fairlead.api.apiextensions.structural.rules import Rules  # imports CEL, which few clusters need

            self._rules = Rules(self.node, root=True)
        return self._rules

    @property
    def _has(self) -> tuple[bool, bool, bool]:
        """Returns whether the schema has rules, defaults, embedded resources."""
        if self._traits is None:
            node = self.node
            self._traits = has_rules(node), any_of(node, lambda one: one.has_default), has_embedded(node)
        return self._traits

    @property
    def schema(self) -> Schema:
        if self._schema is None:
            package = reversed_package(self.group, self.version)
            self._schema = RootSchema(self.node, self.kind, package, self._document)
        return self._schema

    @schema.setter
    def schema(self, _: Schema) -> None:
        raise AttributeError("the schema follows from the definition")

    def _document(self, v2: bool) -> Tree:
        kept = self._read()
        header = {
            "kind": {"type": "string", "description": "Kind of the object, in CamelCase; cannot be changed."},
            "apiVersion": {
                "type": "string",
                "description": "APIVersion defines the API group and version of the object's schema.",
            },
            "metadata": {
                "allOf": [{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}],
                "description": "Standard object's metadata: name, namespace, labels and annotations.",
            },
        }
        return openapi_tree(kept, header, v2=v2)

    def fit(self, tree: Tree, pruner: Pruner) -> Tree:
        """Returns the tree with known fields only: those of the metadata by its type, the others by the schema. Raises
        WrongTypeError."""
        header = {key: tree[key] for key in _META if key in tree}
        fitted = pruner.prune(_HEADER, header)
        content = pruner.without_repeats({key: value for key, value in tree.items() if key not in _META})
        pruner.problems += [f'unknown field "{path}"' for path in prune(content, self.node, root=True)]
        self.complete(content)
        return {**fitted, **content}

    def complete(self, content: Tree) -> Tree:
        """Removes nulls that are not allowed and fills in defaults, in place."""
        _, has_defaults, embeds = self._has
        prune_nulls(content, self.node)
        if embeds:
            coerce(content, self.node)
        if has_defaults:
            default(content, self.node)
        return content

    def tree_of(self, obj: Unstructured) -> Tree:
        """Returns the object as the schema describes it: with its metadata as JSON."""
        metadata = msgspec.to_builtins(_without_managers(obj.metadata))
        return {"apiVersion": obj.apiVersion, "kind": obj.kind, "metadata": metadata, **obj.content}

    def refreshed(self, raw: bytes) -> bytes:
        """Returns a stored object in this version, pruned and with defaults, as it is when it is written again."""
        obj = self.decode(raw)
        prune(obj.content, self.node, root=True)
        self.complete(obj.content)
        obj.kind, obj.apiVersion = self.kind, f"{self.group}/{self.version}"
        return msgspec.json.encode(obj.tree())

    def converted(self, obj: Unstructured) -> Unstructured:
        """Returns an object of another version in this one, if only the version differs."""
        content = _decode(_encode(obj.content))
        prune(content, self.node, root=True)
        api_version = f"{self.group}/{self.version}"
        return Unstructured(
            kind=self.kind, apiVersion=api_version, metadata=obj.metadata, content=self.complete(content)
        )


def _without_managers(meta: ObjectMeta) -> ObjectMeta:
    return msgspec.structs.replace(meta, managedFields=[])

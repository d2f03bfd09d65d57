"""The bodies of requests as JSON trees, in any version of their resource, and back.

Webhooks and policies see JSON; the chain works on decoded objects. The query of a connect has the form of its options
(`PodExecOptions`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multidict import MultiDict

from fairlead.api.meta.deleteoptions import DeleteOptions
from fairlead.apiserver.admission.matching import ResourceVersionKind, resource_of, storage_of
from fairlead.apiserver.admission.plugin import Attributes
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.machinery.kinds.decode import Target, decode_tree_as, encode, target_of, to_tree
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.query import flag

Tree = dict[str, Any]

_FLAGS = ("stdin", "stdout", "stderr", "tty")


class Bodies:
    """The new and the old body of one request; each version is made once."""

    def __init__(self, attributes: Attributes) -> None:
        self._attributes = attributes
        requested = resource_of(attributes.kind, attributes.subresource)
        assert requested is not None, "an undeclared subresource is not dispatched"
        self.requested = requested
        self._old: dict[Kind[Any], Tree | None] = {}

    def new(self, version: ResourceVersionKind) -> Tree | None:
        """Returns the new body as a tree, None for a delete."""
        return _tree(self._attributes.obj, self.requested, version)

    def old(self, version: ResourceVersionKind) -> Tree | None:
        """Returns the old body as a tree, None for a create and a connect."""
        if version.kind not in self._old:
            self._old[version.kind] = _tree(self._attributes.old, self.requested, version)
        return self._old[version.kind]

    def replace(self, tree: Tree, version: ResourceVersionKind) -> None:
        """Makes a tree the new body. Raises StatusError if the tree does not fit its kind."""
        attributes = self._attributes
        if attributes.operation == "CONNECT":
            attributes.obj = _query(tree)
            return
        sent = attributes.obj
        obj = decode_tree_as(_target(sent, version), tree, validation="Ignore").obj
        if version.kind is not attributes.kind:
            obj = _converted(obj, version.kind, attributes.kind)
        attributes.obj = obj if self.requested.body != attributes.kind.gvk else attributes.kind.default(obj)


def _target(sent: Any, version: ResourceVersionKind) -> Target[Any]:
    if version.body == version.kind.gvk:
        return target_of(version.kind)
    group_version = f"{version.body.group}/{version.body.version}" if version.body.group else version.body.version
    return Target(type(sent), version.body.kind, group_version)


def _tree(obj: Any, requested: ResourceVersionKind, version: ResourceVersionKind) -> Tree | None:
    if obj is None:
        return None
    if isinstance(obj, Mapping):
        return _options(obj, version)
    if version.kind is not requested.kind and requested.body == requested.kind.gvk:
        obj = _converted(obj, requested.kind, version.kind)
    body = version.body
    group_version = f"{body.group}/{body.version}" if body.group else body.version
    tree: Tree = to_tree(obj)
    return {"kind": body.kind, "apiVersion": group_version} | {
        key: value for key, value in tree.items() if key not in ("kind", "apiVersion")
    }


def _converted(obj: Any, source: Kind[Any], target: Kind[Any]) -> Any:
    """Returns the object in another version of its kind."""
    own = source.codec.decode(encode(obj))  # a conversion takes its argument over
    hub = source.conversion.to_storage(own) if source.conversion is not None else own
    found = target.conversion.from_storage(hub) if target is not storage_of(target) and target.conversion else hub
    found.kind, found.apiVersion = target.kind, target.api_version
    return found


def _options(query: Mapping[str, str], version: ResourceVersionKind) -> Tree:
    """Returns the query of a connect as its options."""
    tree: Tree = {"kind": version.body.kind, "apiVersion": version.kind.api_version}
    for name in _FLAGS:
        if name in query:
            tree[name] = flag(query, name)
    for name in ("container", "path"):
        if query.get(name):
            tree[name] = query[name]
    pairs = MultiDict(query)
    if commands := pairs.getall("command", []):
        tree["command"] = commands
    if ports := [int(text) for text in pairs.getall("ports", []) if text.isascii() and text.isdigit()]:
        tree["ports"] = ports
    return tree


def _query(tree: Tree) -> MultiDict[str]:
    """Returns options as the query that they stand for."""
    query: MultiDict[str] = MultiDict()
    for name, value in tree.items():
        if name in ("kind", "apiVersion"):
            continue
        for one in value if isinstance(value, list) else [value]:
            query.add(name, ("true" if one else "false") if isinstance(one, bool) else str(one))
    return query


def options_tree(attributes: Attributes) -> Tree | None:
    """Returns the options of the operation, None for a connect."""
    options = attributes.options
    if isinstance(options, DeleteOptions):
        tree: Tree = to_tree(options)
        return tree | {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}
    if not isinstance(options, WriteOptions):
        return None
    kinds = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions"}
    kind = "PatchOptions" if attributes.context.info.verb == "patch" else kinds[attributes.operation]
    found: Tree = {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
    if options.dry_run:
        found["dryRun"] = ["All"]
    if options.force:
        found["force"] = True
    if options.field_manager:
        found["fieldManager"] = options.field_manager
    if options.validation != "Warn":
        found["fieldValidation"] = options.validation
    return found

"""apply: PATCH with a configuration instead of a patch (server-side apply). Creates a missing object.

The body is the desired object in YAML or JSON, with only the fields that the sender manages;
`fairlead.machinery.managedfields.apply` decides about ownership and the resulting object.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.apiserver.model import RequestContext
from fairlead.apiserver.registry.create import Creator
from fairlead.apiserver.registry.prepare import NamespacedName, ensure_name_matches
from fairlead.apiserver.registry.tracking import read_managed, shape_of, tree_of, write_managed, write_of
from fairlead.apiserver.registry.update import Candidate, Change, Updater
from fairlead.apiserver.serialization.body import decoded, parse_yaml
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.serialization.yamlkeys import repeated_keys
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.clock import Clock
from fairlead.machinery.kinds.decode import decode_tree, encode
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.managedfields.apply import Conflicts, apply
from fairlead.machinery.managedfields.conform import problems, text_of
from fairlead.machinery.patches.patch import depth_guard
from fairlead.machinery.values.status import OBJECT_MODIFIED, StatusError, bad_request
from fairlead.runtime.client import Request

Tree = dict[str, Any]
_CREATE_TRIES = 8


class Applier:
    """Serves server-side apply."""

    def __init__(self, creator: Creator, updater: Updater, *, clock: Clock) -> None:
        self._creator = creator
        self._updater = updater
        self._clock = clock

    async def apply(
        self, target: Target, request: Request, options: WriteOptions, context: RequestContext
    ) -> tuple[Entry, int]:
        """Returns the object, and 201 if it was created, else 200. Raises StatusError 400, 403, 404, 409, 422."""
        kind = target.resource.kind
        config, warnings = await decoded(request, lambda: read_config(request.body, options))
        _check_header(kind, config)
        _check_fit(kind, config, target)
        context.warn(*warnings)
        change = self.change(kind, config, options, through=target.subresource)
        for _ in range(_CREATE_TRIES):
            if target.subresource or target.resource.cache.get(target.resource.key(target.namespace, target.name)):
                return await self._updater.update(target, change, options, context), 200
            try:
                return await self._create(target, config, options, context), 201
            except StatusError as e:
                if e.reason != "AlreadyExists":
                    raise
        raise target.resource.conflict(target.name, OBJECT_MODIFIED)

    def change(self, kind: Kind[Any], config: Tree, options: WriteOptions, *, through: str) -> Change:
        """Returns the configuration as a change of the object."""
        write = write_of(kind, options.manager, subresource=through, now=self._clock.now())

        async def change(entry: Entry) -> Candidate:
            obj = entry.decode()
            managed = read_managed(obj.metadata.managedFields) or {}
            try:
                with depth_guard():
                    applied = apply(managed, tree_of(obj), config, write, force=options.force)
            except Conflicts as conflicts:
                raise conflicts.status() from None
            merged = decode_tree(kind, applied.tree, validation="Ignore").obj
            merged.metadata.managedFields = write_managed(applied.managed)
            return Candidate(merged, tracked=True)

        return change

    async def _create(self, target: Target, config: Tree, options: WriteOptions, context: RequestContext) -> Entry:
        kind = target.resource.kind
        obj = decode_tree(kind, config, validation="Ignore").obj
        ensure_name_matches(obj, NamespacedName(target.namespace, target.name))
        if uid := obj.metadata.uid:
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise target.resource.conflict(target.name, why)
        if obj.metadata.resourceVersion not in ("", "0"):
            raise target.resource.conflict(target.name, OBJECT_MODIFIED)
        obj.metadata.resourceVersion = ""
        write = write_of(kind, options.manager, now=self._clock.now())
        owners = write_managed(apply({}, {}, config, write).managed)
        return await self._creator.insert(target, obj, options, context, owners=owners)


def read_config(body: bytes, options: WriteOptions) -> tuple[Tree, list[str]]:
    """Returns the configuration in a body, and warnings about duplicate keys. Raises StatusError 400."""
    tree, repeats = _parse(body)
    if not isinstance(tree, dict):
        raise bad_request("error decoding YAML: an object is expected")
    repeated = repeated_keys(body) if repeats and options.validation != "Ignore" else []
    if repeated and options.validation == "Strict":
        raise bad_request("error strict decoding YAML: " + ", ".join(repeated))
    return tree, repeated


def _parse(body: bytes) -> tuple[Any, bool]:
    """Returns the tree, and whether it may contain duplicate keys."""
    try:
        tree = msgspec.json.decode(body)
        return tree, body.count(b'":') != encode(tree).count(b'":')
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        pass
    try:
        # Values that JSON lacks (dates, numeric keys) become their JSON form.
        return msgspec.json.decode(encode(parse_yaml(body))), True
    except StatusError as e:
        raise bad_request(f"error decoding YAML: {e}") from e
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as e:
        raise bad_request(f"error decoding YAML: {e}") from e


def _check_header(kind: Kind[Any], config: Tree) -> None:
    for name in ("kind", "apiVersion"):
        if not config.get(name) or not isinstance(config[name], str):
            raise bad_request(f"Object '{name[0].upper()}{name[1:]}' is missing in the applied configuration")
    given, _, version = config["apiVersion"].rpartition("/")
    if config["kind"] != kind.kind or given != kind.group:
        raise bad_request(f"invalid object type: {config['apiVersion']}, Kind={config['kind']}")
    if version != kind.version:
        raise bad_request(
            "Incorrect version specified in apply patch. "
            f"Specified patch version: {config['apiVersion']}, expected: {kind.api_version}"
        )


def _check_fit(kind: Kind[Any], config: Tree, target: Target) -> None:
    with depth_guard():
        faults = list(problems(config, shape_of(kind)))
    if faults:
        where = f"{target.namespace}/{target.name}" if target.namespace else f"/{target.name}"
        version = kind.api_version if kind.group else f"/{kind.version}"
        raise bad_request(
            f"failed to create typed patch object ({where}; {version}, Kind={kind.kind}): {text_of(faults)}"
        )
    metadata = config.get("metadata") or {}
    if metadata.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")


__all__ = ["Applier", "read_config"]

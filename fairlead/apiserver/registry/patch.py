"""patch: three forms of partial update, as functions from a JSON tree to a JSON tree."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from fairlead.apiserver.registry.update import Candidate, Change
from fairlead.apiserver.serialization.accept import media_type, unsupported_media_type
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.machinery.kinds.decode import (
    Decoded,
    FieldValidation,
    Target,
    decode_tree_as,
    encode,
    parse_json,
    repeated_fields,
    target_of,
)
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.patches.patch import depth_guard, json_patch, merge_patch
from fairlead.machinery.patches.strategic import strategic_patch
from fairlead.machinery.schemas.schema import Schema
from fairlead.machinery.values.status import StatusError, invalid, invalid_object
from fairlead.runtime.client import Request

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

T = TypeVar("T")
_MOST_SHOWN = 16384
"""Maximal length of an object or a patch in an error, in characters."""


def is_apply(request: Request) -> bool:
    """Returns whether the body is a configuration for apply and not a patch."""
    return request.method == "PATCH" and media_type(request.headers.get("content-type", "")) == APPLY_PATCH


class Patch:
    """The patch in a body, which can be applied to trees of a schema. Raises StatusError 400, 415."""

    def __init__(self, request: Request, schema: Schema, validation: FieldValidation) -> None:
        self._media = media_type(request.headers.get("content-type", ""))
        # Strategic merge needs merge keys, which schemas of custom resources do not have.
        known = (JSON_PATCH, MERGE_PATCH) if schema.plain else (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)
        if self._media not in known:
            raise unsupported_media_type(self._media, (*known, APPLY_PATCH))
        self._schema = schema
        self._validation = validation
        self._tree = parse_json(request.body, what="patch")
        self._repeated = repeated_fields(request.body, self._tree) if validation != "Ignore" else []
        if self._media == JSON_PATCH:
            self._repeated = [f"json patch {text}" for text in self._repeated]

    def apply(self, tree: Any) -> Any:
        """Returns the patched tree. Raises StatusError 400, 413, 422."""
        match self._media:
            case "application/json-patch+json":
                return json_patch(tree, self._tree)
            case "application/merge-patch+json":
                return merge_patch(tree, self._tree)
            case _:
                return strategic_patch(tree, self._tree, self._schema)

    def decode(self, target: Target[T], tree: Any) -> Decoded[T]:
        """Returns the object of a patched tree. Raises StatusError 422, which shows the patch or the patched tree.

        The kind in a strategic merge patch is ignored, as upstream: clients patch `scale` with a whole Deployment.
        """
        if self._media == STRATEGIC_PATCH:
            tree = _stamped(tree, target)
        try:
            return decode_tree_as(target, tree, validation=self._validation, faults=self._repeated)
        except StatusError as e:
            with depth_guard():
                shown = render_go(self._tree) if self._media == STRATEGIC_PATCH else _text(tree)
            head = f'{target.kind} in version "{target.version}" cannot be handled as a {target.kind}: '
            error = invalid("patch", shown[:_MOST_SHOWN], e.message.removeprefix(head))
            raise invalid_object("", "", "", [error]) from e


def patch_change(kind: Kind[Any], request: Request, options: WriteOptions) -> Change:
    """Returns the patch as a change of the object itself."""
    patch = Patch(request, kind.schema, options.validation)

    async def change(entry: Entry) -> Candidate:
        decoded = patch.decode(target_of(kind), patch.apply(msgspec.json.decode(entry.raw)))
        return Candidate(decoded.obj, decoded.warnings)

    return change


def _stamped(tree: Any, target: Target[Any]) -> Any:
    """Returns the tree with the target's kind and version in place of other texts."""
    header = {"kind": target.kind, "apiVersion": target.api_version}
    return {**tree, **{key: text for key, text in header.items() if isinstance(tree.get(key), str)}}


def _text(tree: Any) -> str:
    try:
        return encode(tree).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return ""  # the error reports this very problem


def render_go(value: Any) -> str:
    """Returns a JSON value as Go's `%v` prints it: `map[a:1 b:[x y]]`."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case dict():
            return "map[" + " ".join(f"{key}:{render_go(value[key])}" for key in sorted(value)) + "]"
        case list():
            return "[" + " ".join(map(render_go, value)) + "]"
        case _:
            return str(value)

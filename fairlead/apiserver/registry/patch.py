"""patch: three forms of partial update, as functions from a JSON tree to a JSON tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from fairlead.apiserver.registry.update import Candidate, Change
from fairlead.apiserver.serialization.accept import media_type, unsupported_media_type
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.machinery.decode import decode_tree, parse_json
from fairlead.machinery.kind import Kind
from fairlead.machinery.patch import json_patch, merge_patch
from fairlead.machinery.strategic import strategic_patch
from fairlead.runtime.client import Request

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

TreePatch = Callable[[Any], Any]


def is_apply(request: Request) -> bool:
    """Whether the body is a configuration to apply and no patch."""
    return request.method == "PATCH" and media_type(request.headers.get("content-type", "")) == APPLY_PATCH


def read_patch(request: Request, type: type) -> TreePatch:
    """The patch in the body, ready to be applied to trees of this type. Raises StatusError 400, 415."""
    media = media_type(request.headers.get("content-type", ""))
    if media not in (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH):
        raise unsupported_media_type(media, (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH))
    patch = parse_json(request.body, what="patch")
    if media == JSON_PATCH:
        return lambda tree: json_patch(tree, patch)
    if media == MERGE_PATCH:
        return lambda tree: merge_patch(tree, patch)
    return lambda tree: strategic_patch(tree, patch, type)


def patch_change(kind: Kind[Any], request: Request, options: WriteOptions) -> Change:
    """The patch as a change of the object itself."""
    patch = read_patch(request, kind.type)

    def change(entry: Entry) -> Candidate:
        tree = patch(msgspec.json.decode(entry.raw))
        decoded = decode_tree(kind, tree, validation=options.validation)
        return Candidate(decoded.obj, decoded.warnings)

    return change

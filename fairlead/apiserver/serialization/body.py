"""Request bodies: decodes JSON, YAML or protobuf to a tree or an object."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from fairlead.apiserver.serialization.accept import media_type, unsupported_media_type
from fairlead.apiserver.serialization.protobuf import MEDIA_TYPE
from fairlead.apiserver.serialization.protobuf.decode import parse_protobuf
from fairlead.apiserver.serialization.yamlkeys import repeated_keys
from fairlead.machinery.kinds.decode import (
    Decoded,
    FieldValidation,
    Target,
    decode_as,
    decode_tree_as,
    parse_json,
    target_of,
)
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.schemas.schema import Schema
from fairlead.machinery.values.status import StatusError, bad_request
from fairlead.machinery.values.yamltree import load_yaml, safe_loader
from fairlead.runtime.client import Request

MAX_BODY = 3 << 20
ACCEPTED = ("application/json", "application/yaml", MEDIA_TYPE)
_MAX_DEPTH = 1000
_MAX_NODES = 100_000
"""Limit for a YAML document; each node takes about 10 µs, fifty times as long as in JSON."""
_MAX_MULTIPLIED = MAX_BODY
"""Number of characters that the aliases of a YAML document may add."""
_NODE_SIZE = 8
"""Characters counted for each value in addition to its text."""
_JSON = frozenset({"application/json", "", "*/*"})
_YAML = frozenset({"application/yaml", "text/yaml", "application/x-yaml"})

T = TypeVar("T")


_LARGE_JSON, _LARGE_YAML = 256 << 10, 16 << 10
"""Bytes; a body of this size takes about 10 ms to decode."""


def is_large(request: Request) -> bool:
    """Returns whether the body should be decoded outside the event loop."""
    size = len(request.body)
    if size <= _LARGE_YAML:
        return False
    written = media_type(request.headers.get("content-type", "")) in _JSON or request.body[:1] == b"{"
    return size > (_LARGE_JSON if written else _LARGE_YAML)


async def decoded(request: Request, decode: Callable[[], T]) -> T:
    """Returns the result of `decode`; runs it in a thread if the body is large, so that other requests are not
    delayed."""
    return await asyncio.to_thread(decode) if is_large(request) else decode()


def too_large() -> StatusError:
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {MAX_BODY}")


def read_object(kind: Kind[T], request: Request, validation: FieldValidation) -> Decoded[T]:
    """Returns the object in the body. Raises StatusError 400, 415."""
    return read_as(target_of(kind), request, validation)


def read_as(target: Target[T], request: Request, validation: FieldValidation = "Warn") -> Decoded[T]:
    """Returns the body of a subresource. Raises StatusError 400, 415."""
    media = media_type(request.headers.get("content-type", ""))
    if media in _JSON:
        return decode_as(target, request.body, validation=validation, unique=request.unique)
    tree = read_tree(request, target.schema)
    faults: list[str] = []
    if media in _YAML and validation != "Ignore" and (repeated := repeated_keys(request.body)):
        faults = ["\n  ".join(["yaml: unmarshal errors:", *repeated])]
    return decode_tree_as(target, tree, validation=validation, faults=faults)


def read_tree(request: Request, schema: Schema) -> Any:
    """Returns the body as a JSON tree, from any supported form; `schema` is the body's schema. Raises StatusError
    400, 415."""
    media = media_type(request.headers.get("content-type", ""))
    if media in _JSON:
        return parse_json(request.body)
    if media in _YAML:
        return parse_yaml(request.body)
    if media == MEDIA_TYPE:
        return parse_protobuf(request.body, schema)
    raise unsupported_media_type(media, ACCEPTED)


def parse_yaml(body: bytes) -> Any:
    """Returns a YAML document as a JSON tree. Raises StatusError 400."""
    import yaml  # heavy, and clients that send YAML are rare: kubectl converts

    try:
        _check_shape(yaml.parse(body, Loader=safe_loader()))
        return load_yaml(body)
    except (yaml.YAMLError, ValueError, RecursionError) as e:
        raise bad_request(f"error converting YAML to JSON: yaml: {e}") from e


def _check_shape(events: Iterable[Any]) -> None:
    """Raises an error for documents that would crash the loader or keep the server busy for seconds.

    The loader is recursive and written in C. These documents are dangerous: endless nesting, aliases that contain
    themselves, and aliases of aliases that expand a few bytes to gigabytes.
    """
    count = multiplied = nodes = 0
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    for event in events:
        anchor = getattr(event, "anchor", None)
        what = type(event).__name__
        nodes += not what.endswith("EndEvent")
        if nodes > _MAX_NODES:
            raise ValueError(f"document contains more than {_MAX_NODES} values: send it as JSON")
        if what == "AliasEvent":
            size = sizes.get(anchor or "", 0)
            if not size:
                raise ValueError(f"anchor '{anchor}' value contains itself, or is unknown")
            count, multiplied = count + size, multiplied + size
            if multiplied > _MAX_MULTIPLIED:
                raise ValueError("document contains excessive aliasing")
        elif what in ("MappingStartEvent", "SequenceStartEvent"):
            open_nodes.append((anchor, count))
            count += _NODE_SIZE
            if len(open_nodes) > _MAX_DEPTH:
                raise ValueError(f"exceeded max depth of {_MAX_DEPTH}")
        elif what in ("MappingEndEvent", "SequenceEndEvent"):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = count - before
        elif what == "ScalarEvent":
            size = _NODE_SIZE + len(event.value)
            count += size
            if anchor:
                sizes[anchor] = size

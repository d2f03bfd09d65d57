"""Decodes the body of a request into a checked object.

A valid body takes one call of a strict msgspec decoder (about a microsecond for a Service). Only if that decoder
refuses it, the body is parsed to a tree and walked (`prune`). The walk accepts what Go's decoder accepts (nulls) and
reports every error, in upstream's words.

The fast decoder does not notice repeated keys: the last one wins. With `Strict` and `Warn`, repeated keys are found by
counting keys before and after a decode to plain dicts, which costs about 2 µs a Service; `Ignore` saves that cost.
Rejected: an `object_pairs_hook` pass over every body, 15 µs and more.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, cast

import msgspec

from fairlead.machinery.kinds.kind import Kind, per_kind
from fairlead.machinery.schemas.codec import Codec, decoder_of, plain, struct_codec
from fairlead.machinery.schemas.codec import encode as encode
from fairlead.machinery.schemas.prune import Pruner, WrongTypeError, members, pairs_hook
from fairlead.machinery.schemas.schema import Schema
from fairlead.machinery.schemas.wire import VALUES
from fairlead.machinery.values.status import StatusError, bad_request

T = TypeVar("T")

FieldValidation = Literal["Strict", "Warn", "Ignore"]

SCHEME = "fairlead"
_SUMMARY_BYTES = 30
_MOST_PROBLEMS = 100
"""Greatest number of unknown and repeated fields in one answer, as upstream."""
_encoder = msgspec.json.Encoder()
_plain = msgspec.json.Decoder()


def to_tree(value: Any) -> Any:
    """Returns a decoded object, or a part of one, as a JSON tree."""
    try:
        return msgspec.to_builtins(value, enc_hook=plain)
    except TypeError:
        # `msgspec.Raw` (`managedFields[].fieldsV1`, also in the metadata of templates) is encoded but not converted.
        return _plain.decode(encode(value))


class Decoded(msgspec.Struct, Generic[T], frozen=True):
    """A decoded object, and the warnings about its body."""

    obj: T
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target(Generic[T]):
    """The type that a body must have: a kind of the API, or the body of a subresource (`Scale`, `Binding`,
    `DeleteOptions`)."""

    type: type[T]
    kind: str
    api_version: str
    own_codec: Codec[T] | None = None
    """The codec, if objects are not structs of `type`."""

    @property
    def version(self) -> str:
        return self.api_version.rpartition("/")[2]

    @functools.cached_property
    def codec(self) -> Codec[T]:
        return self.own_codec or struct_codec(self.type)

    @functools.cached_property
    def decode(self) -> Callable[[bytes], T]:
        return decoder_of(self.codec)

    @functools.cached_property
    def schema(self) -> Schema:
        return self.codec.schema


def decode(kind: Kind[T], body: bytes, *, validation: FieldValidation = "Strict") -> Decoded[T]:
    """Reads a request's body. Raises StatusError 400."""
    return decode_as(target_of(kind), body, validation=validation)


def decode_tree(kind: Kind[T], tree: Any, *, validation: FieldValidation = "Strict") -> Decoded[T]:
    """Reads a JSON tree, such as a patched object or parsed YAML. Raises StatusError 400."""
    return decode_tree_as(target_of(kind), tree, validation=validation)


def decode_tree_as(
    target: Target[T], tree: Any, *, validation: FieldValidation = "Strict", faults: Sequence[str] = ()
) -> Decoded[T]:
    """Reads a JSON tree. `faults`: problems of the text that the tree was read from; strict decoding reports them
    too."""
    body = _encode_tree(target, tree)
    if faults and validation != "Ignore":
        return _decode_slowly(target, body, validation, faults)
    return decode_as(target, body, validation=validation, unique=True)


def decode_as(
    target: Target[T], body: bytes, *, validation: FieldValidation = "Strict", unique: bool = False
) -> Decoded[T]:
    """Reads a request's body. `unique` means that the body cannot repeat a key, because it was encoded from a tree."""
    if not target.codec.strict:
        return _decode_slowly(target, body, validation)
    try:
        obj = target.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return _decode_slowly(target, body, validation)
    if not VALUES.good(target.schema, obj) or (not unique and validation != "Ignore" and _repeats_keys(body)):
        return _decode_slowly(target, body, validation)
    return Decoded(_stamp(target, obj))


@per_kind
def target_of(kind: Kind[T]) -> Target[T]:
    return Target(kind.type, kind.kind, kind.api_version, kind.own_codec)


def parse_json(body: bytes, *, what: str = "object") -> Any:
    """Returns a body as a plain tree (a patch, say). Raises StatusError 400."""
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise bad_request(f"the {what} provided is nested too deeply") from None
    except ValueError as e:
        raise bad_request(f"the {what} provided is not valid JSON: {_reason(e)} ({_summary(body)})") from e


def repeated_fields(body: bytes, tree: Any) -> list[str]:
    """Returns the keys that a patch repeats, in document order; `tree` is the parsed body."""
    try:
        if body.count(b'":') == _encoder.encode(tree).count(b'":'):
            return []
        return list(dict.fromkeys(_repeated(json.loads(body, object_pairs_hook=pairs_hook))))
    except (ValueError, OverflowError, RecursionError):
        return []  # the caller refuses this body


def _repeated(tree: Any, path: str = "") -> Iterator[str]:
    if isinstance(tree, dict):
        for key, value, again in members(tree):
            field_path = f"{path}.{key}" if path else key
            if again:
                yield f'duplicate field "{field_path}"'
            yield from _repeated(value, field_path)
    elif isinstance(tree, list):
        for i, value in enumerate(tree):
            yield from _repeated(value, f"{path}[{i}]")


def _repeats_keys(body: bytes) -> bool:
    # Escapes and blanks may make the counts differ although no key is repeated; the slow path then finds none.
    return body.count(b'":') != _encoder.encode(_plain.decode(body)).count(b'":')


def _stamp(target: Target[T], obj: Any) -> T:
    if obj.kind != target.kind:
        if obj.kind:
            raise _wrong_kind(target, obj.kind, obj.apiVersion or target.api_version)
        obj.kind = target.kind
    if obj.apiVersion != target.api_version:
        if obj.apiVersion:
            raise _wrong_version(target, obj.apiVersion)
        obj.apiVersion = target.api_version
    return cast(T, obj)


def _wrong_kind(target: Target[T], kind: str, api_version: str) -> StatusError:
    if kind.lower() == target.kind.lower():
        why = f'no kind "{kind}" is registered for version "{api_version}" in scheme "{SCHEME}"'
    else:
        why = f"converting (v1.{kind}) to ({target.version}.{target.kind}): unknown conversion"
    version = api_version.rpartition("/")[2]
    return bad_request(f'{kind} in version "{version}" cannot be handled as a {target.kind}: {why}')


def _wrong_version(target: Target[T], version: str) -> StatusError:
    return bad_request(
        f"the API version in the data ({version}) does not match the expected API version ({target.api_version})"
    )


def _decode_slowly(
    target: Target[T], body: bytes, validation: FieldValidation, faults: Sequence[str] = ()
) -> Decoded[T]:
    tree = _parse(target, body)
    _check_header(target, tree)
    pruner = Pruner()
    try:
        fitted = target.codec.fit(tree, pruner)
    except WrongTypeError as e:
        raise _cannot_handle(target, str(e)) from e
    except RecursionError:
        raise _cannot_handle(target, "exceeded max depth") from None
    problems = tuple(dict.fromkeys([*faults, *pruner.problems]))[:_MOST_PROBLEMS]
    if problems and validation == "Strict":
        raise _cannot_handle(target, "strict decoding error: " + ", ".join(problems))
    try:
        obj = target.decode(_encoder.encode(fitted))
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as e:
        raise _cannot_handle(target, str(e)) from e
    return Decoded(_stamp(target, obj), problems if validation == "Warn" else ())


def _parse(target: Target[T], body: bytes) -> dict[str, Any]:
    why = "couldn't get version/kind; json parse error: "
    try:
        tree = json.loads(body, object_pairs_hook=pairs_hook, parse_constant=_refuse_constant)
    except RecursionError:
        raise _unrecognized(target, why + "exceeded max depth", body) from None
    except ValueError as e:
        raise _unrecognized(target, why + _reason(e), body) from e
    if not isinstance(tree, dict):
        type_name = "null" if tree is None else type(tree).__name__
        raise _unrecognized(target, f"{why}an object is expected, not {type_name}", body)
    return tree


def _check_header(target: Target[T], tree: dict[str, Any]) -> None:
    """Checks kind and version before all else: for a Pod posted to Services this error helps, and a list of unknown
    fields does not."""
    kind, api_version = tree.get("kind"), tree.get("apiVersion")
    for name, value in (("kind", kind), ("apiVersion", api_version)):
        if value is not None and not isinstance(value, str):
            raise _cannot_handle(target, f"{name} must be a string")
    if kind and kind != target.kind:
        raise _wrong_kind(target, kind, api_version or target.api_version)
    if api_version and api_version != target.api_version:
        raise _wrong_version(target, api_version)


def _encode_tree(target: Target[T], tree: Any) -> bytes:
    try:
        return _encoder.encode(tree)
    except (TypeError, ValueError, OverflowError, RecursionError) as e:
        raise _cannot_handle(target, str(e)) from e


def _cannot_handle(target: Target[T], why: str) -> StatusError:
    return bad_request(f'{target.kind} in version "{target.version}" cannot be handled as a {target.kind}: {why}')


def _unrecognized(target: Target[T], why: str, body: bytes) -> StatusError:
    return bad_request(f"the object provided is unrecognized (must be of type {target.kind}): {why} ({_summary(body)})")


def _summary(body: bytes) -> str:
    if not body:
        return "<empty>"
    head, more = body[:_SUMMARY_BYTES], " ..." if len(body) > _SUMMARY_BYTES else ""
    shown = head.decode("utf-8", "replace") if body[:1] == b"{" else head.hex()
    return shown + more


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"invalid number {name}")


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        if error.pos >= len(error.doc.rstrip()):
            return "unexpected end of JSON input"
        return f"invalid character {error.doc[error.pos]!r} at offset {error.pos}"
    return str(error)

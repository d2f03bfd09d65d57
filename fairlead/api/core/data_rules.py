"""Checks that config maps and secrets share: keys, sizes, and immutability."""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Mapping
from typing import Protocol

from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, forbidden, invalid

MAX_BYTES = 1024 * 1024
_IMMUTABLE = "field is immutable when `immutable` is set"


class ImmutableData(Protocol):
    """Protocol of an object whose data can be made immutable."""

    immutable: bool | None


def key_errors(data: Mapping[str, str], path: str) -> Iterator[FieldError]:
    for key in data:
        for text in names.config_key(key):
            yield invalid(f"{path}[{key}]", key, text)


def canonicalize_base64(data: dict[str, str]) -> None:
    """Rewrites base64 values as Go encodes them: without line breaks, and with zero bits in the padding."""
    for key, text in data.items():
        data[key] = binascii.b2a_base64(binascii.a2b_base64(text), newline=False).decode()


def size_errors(texts: Mapping[str, str], encoded: Mapping[str, str]) -> Iterator[FieldError]:
    size = sum(len(text.encode()) for text in texts.values())
    size += sum(len(text) * 3 // 4 - text[-2:].count("=") for text in encoded.values())
    if size > MAX_BYTES:
        yield FieldError("", "TooLong", None, f"may not be more than {MAX_BYTES} bytes")


def immutable_data_errors(old: ImmutableData, new: ImmutableData, fields: tuple[str, ...]) -> Iterator[FieldError]:
    if not old.immutable:
        return
    if not new.immutable:
        yield forbidden("immutable", _IMMUTABLE)
    for name in fields:
        if getattr(old, name) != getattr(new, name):
            yield forbidden(name, _IMMUTABLE)

"""PEM blocks (RFC 7468), read as Go's `encoding/pem` does: text around blocks and malformed blocks are skipped."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from fairlead.base.dataclass import dataclass

_BLOCK = re.compile(rb"^-----BEGIN ([^\n]*?)-----[ \t\r]*\n(.*?)^-----END \1-----", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its label, whether header lines precede the data, and the data."""

    label: str
    has_headers: bool
    data: bytes


def blocks(text: bytes) -> Iterator[Block]:
    """Yields the blocks of a text in order."""
    for match in _BLOCK.finditer(text):
        lines = match[2].splitlines()
        headers = [line for line in lines if b":" in line]
        body = b"".join(b"".join(line.split()) for line in lines if b":" not in line)
        try:
            data = base64.b64decode(body, validate=True)
        except binascii.Error:
            continue
        yield Block(match[1].decode("utf-8", "replace"), bool(headers), data)


def decode_base64(text: str) -> bytes:
    """Returns the bytes of a field of bytes; none if the text is malformed, which decoding has refused before."""
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""

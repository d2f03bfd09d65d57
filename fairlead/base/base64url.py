"""Base64url without padding (RFC 4648, section 5; RFC 7515, section 2), read strictly.

The standard library's decoder skips characters outside the alphabet and accepts both alphabets, so one value would
have endless spellings.
"""

from __future__ import annotations

import base64


def encode_base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def decode_base64url(text: bytes) -> bytes:
    """Raises ValueError for every spelling but the one that `encode_base64url` writes."""
    data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    if encode_base64url(data) != text:
        raise ValueError("invalid base64url")
    return data

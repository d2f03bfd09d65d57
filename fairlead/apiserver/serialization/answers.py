"""Responses without an object."""

from __future__ import annotations

from fairlead.machinery.kinds.decode import encode


def success(code: int) -> bytes:
    """Returns the Status of a request that has no other result."""
    return encode({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code})

"""The keys of service-account tokens: one signs, several verify.

What must stay true: a key that no longer signs still verifies, so that a new key ends no token. Tokens of clusters
that were made with a symmetric key (HS256) are verified as long as that key is there; none is signed with it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from fairlead.apiserver.auth.es256 import Key, load_key, point_of
from fairlead.base.base64url import encode_base64url

ALGORITHM = "ES256"
_SYMMETRIC = "HS256"


class KeySet:
    """`signing` is a private key in PEM, `older` are public keys in PEM. Keys are loaded at their first use."""

    def __init__(self, signing: bytes, older: Sequence[bytes] = (), *, symmetric: bytes = b"") -> None:
        self._signing = signing
        self._older = tuple(older)
        self._symmetric = symmetric

    @cached_property
    def _keys(self) -> dict[str, Key]:
        """The keys by their id; the one that signs is the first."""
        return {key_id(key): key for key in map(load_key, (self._signing, *self._older))}

    @property
    def signing_id(self) -> str:
        return next(iter(self._keys))

    def sign(self, data: bytes) -> bytes:
        return self._keys[self.signing_id].sign(data)

    def verify(self, data: bytes, signature: bytes, *, algorithm: str, kid: str) -> bool:
        """Returns whether a key of the set made the signature; `kid` may be empty."""
        if algorithm == _SYMMETRIC and self._symmetric:
            return hmac.compare_digest(signature, hmac.new(self._symmetric, data, hashlib.sha256).digest())
        if algorithm != ALGORITHM:
            return False
        keys = [self._keys[kid]] if kid in self._keys else [] if kid else list(self._keys.values())
        return any(key.verify(data, signature) for key in keys)

    def documents(self) -> dict[str, Any]:
        """Returns the JSON Web Key Set (RFC 7517)."""
        return {"keys": [_document(kid, key) for kid, key in self._keys.items()]}


def key_id(key: Key) -> str:
    """Returns upstream's id of a key: the hash of its SubjectPublicKeyInfo."""
    return encode_base64url(hashlib.sha256(key.public_der).digest()).decode()


def _document(kid: str, key: Key) -> dict[str, str]:
    x, y = (encode_base64url(part).decode() for part in point_of(key.public_der))
    return {"use": "sig", "kty": "EC", "kid": kid, "crv": "P-256", "alg": ALGORITHM, "x": x, "y": y}

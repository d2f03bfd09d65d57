"""Service-account tokens: JSON Web Tokens signed with HMAC-SHA256, in upstream's claims.

A token is bound to the uid of its account, and optionally to the uid of a Pod; it becomes invalid when either is
deleted. Rejected: RSA keys, which only pay if another party must verify the tokens.
"""

from __future__ import annotations

import hashlib
import hmac

import msgspec

from fairlead.base.base64url import decode_base64url, encode_base64url
from fairlead.base.instant import Instant

PREFIX = "system:serviceaccount:"


class ClaimRef(msgspec.Struct, omit_defaults=True):
    name: str = ""
    uid: str = ""


class KubernetesClaims(msgspec.Struct, omit_defaults=True):
    namespace: str = ""
    serviceaccount: ClaimRef = msgspec.field(default_factory=ClaimRef)
    pod: ClaimRef | None = None


class Claims(msgspec.Struct, omit_defaults=True):
    """The claims of a token, under upstream's names."""

    aud: list[str] = []
    exp: int = 0
    iat: int = 0
    nbf: int = 0
    iss: str = ""
    jti: str = ""
    sub: str = ""
    kubernetes: KubernetesClaims = msgspec.field(default_factory=KubernetesClaims, name="kubernetes.io")


class _Header(msgspec.Struct):
    alg: str = ""


class InvalidToken(Exception):
    """The token was not issued by this server, or is no longer valid."""


_CLAIMS = msgspec.json.Decoder(Claims)
_HEADER = msgspec.json.Decoder(_Header)
_HEAD = b'{"alg":"HS256","typ":"JWT"}'


def sign(claims: Claims, key: bytes) -> str:
    body = encode_base64url(_HEAD) + b"." + encode_base64url(msgspec.json.encode(claims))
    return (body + b"." + encode_base64url(_mac(body, key))).decode()


def verify(token: str, key: bytes, *, audience: str, now: Instant) -> Claims:
    """Returns the claims of a token that this server signed for `audience` and that is valid now. Raises
    InvalidToken."""
    try:
        body, _, signature = token.encode().rpartition(b".")
        head, _, payload = body.partition(b".")
        algorithm, given = _HEADER.decode(decode_base64url(head)).alg, decode_base64url(signature)
        if algorithm != "HS256" or not hmac.compare_digest(given, _mac(body, key)):
            raise InvalidToken("invalid signature")
        claims = _CLAIMS.decode(decode_base64url(payload))
    except (ValueError, msgspec.MsgspecError) as e:
        raise InvalidToken("malformed token") from e
    if not claims.nbf <= now < claims.exp:
        raise InvalidToken("token has expired or is not yet valid")
    if audience not in claims.aud:
        raise InvalidToken("token is for another audience")
    return claims


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).digest()

"""Service-account tokens: JSON Web Tokens (RFC 7519) in upstream's claims, those of TokenRequest and those in Secrets.

Only the signature and the claims are checked here; `authentication` checks that the objects still exist to which a
token is bound.
"""

from __future__ import annotations

import msgspec

from fairlead.apiserver.auth.keyset import ALGORITHM, KeySet
from fairlead.base.base64url import decode_base64url, encode_base64url
from fairlead.base.instant import Instant

LEGACY_ISSUER = "kubernetes/serviceaccount"
_LEGACY = "kubernetes.io/serviceaccount/"
_MOST_KNOWN = 1024
"""Number of tokens whose signatures are remembered as good."""


class Named(msgspec.Struct, omit_defaults=True):
    name: str = ""
    uid: str = ""


class Kubernetes(msgspec.Struct, omit_defaults=True):
    namespace: str = ""
    node: Named | None = None
    pod: Named | None = None
    secret: Named | None = None
    serviceaccount: Named = msgspec.field(default_factory=Named)
    warnafter: int = 0
    """Time at which the token should have been renewed, if it is valid for longer than was asked for."""


class Claims(msgspec.Struct, omit_defaults=True):
    """The claims of a token, under upstream's names."""

    aud: list[str] = []
    exp: int = 0
    iat: int = 0
    iss: str = ""
    jti: str = ""
    kubernetes: Kubernetes = msgspec.field(default_factory=Kubernetes, name="kubernetes.io")
    nbf: int = 0
    sub: str = ""


class LegacyClaims(msgspec.Struct):
    """The claims of a token in a Secret; such a token does not expire."""

    iss: str = ""
    namespace: str = msgspec.field(default="", name=f"{_LEGACY}namespace")
    secret: str = msgspec.field(default="", name=f"{_LEGACY}secret.name")
    account: str = msgspec.field(default="", name=f"{_LEGACY}service-account.name")
    uid: str = msgspec.field(default="", name=f"{_LEGACY}service-account.uid")
    sub: str = ""


class _Header(msgspec.Struct):
    alg: str = ""
    kid: str = ""


class _Issuer(msgspec.Struct):
    iss: str = ""


class _Expiry(msgspec.Struct):
    exp: int = 0


class InvalidToken(Exception):
    """The token comes from another server, or is no longer valid."""


_CLAIMS = msgspec.json.Decoder(Claims)
_LEGACY_CLAIMS = msgspec.json.Decoder(LegacyClaims)
_HEADER = msgspec.json.Decoder(_Header)
_ISSUER = msgspec.json.Decoder(_Issuer)
_EXPIRY = msgspec.json.Decoder(_Expiry)


class Tokens:
    """Signs and reads tokens. The signature of a token is verified once; its claims are checked at each use."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys
        self._known: dict[str, Claims | LegacyClaims] = {}

    def sign(self, claims: Claims | LegacyClaims) -> str:
        head = msgspec.json.encode({"alg": ALGORITHM, "kid": self._keys.signing_id})
        body = encode_base64url(head) + b"." + encode_base64url(msgspec.json.encode(claims))
        return (body + b"." + encode_base64url(self._keys.sign(body))).decode()

    def read(self, token: str) -> Claims | LegacyClaims:
        """Returns the claims of a token with a good signature. Raises InvalidToken. Times are not checked."""
        found = self._known.get(token)
        if found is None:
            found = self._read(token)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[token] = found
        return found

    def _read(self, token: str) -> Claims | LegacyClaims:
        try:
            body, _, signature = token.encode().rpartition(b".")
            head, _, payload = body.partition(b".")
            header, given = _HEADER.decode(decode_base64url(head)), decode_base64url(signature)
            if not self._keys.verify(body, given, algorithm=header.alg, kid=header.kid):
                raise InvalidToken("invalid signature")
            text = decode_base64url(payload)
            decoder = _LEGACY_CLAIMS if _ISSUER.decode(text).iss == LEGACY_ISSUER else _CLAIMS
            return decoder.decode(text)
        except (ValueError, msgspec.MsgspecError) as e:
            raise InvalidToken("malformed token") from e


def expiry_of(token: str) -> int | None:
    """Returns the time at which a token ends that has been verified; None if the token does not say."""
    try:
        return _EXPIRY.decode(decode_base64url(token.encode().split(b".")[1])).exp or None
    except (ValueError, IndexError, msgspec.MsgspecError):
        return None


def check_times(claims: Claims, *, now: Instant) -> None:
    """Raises InvalidToken before and after the token's time."""
    if now >= claims.exp:
        raise InvalidToken("service account token has expired")
    if now < claims.nbf:
        raise InvalidToken("service account token is not valid yet")

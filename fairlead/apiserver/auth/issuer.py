"""The documents with which others verify service-account tokens: OpenID Connect Discovery 1.0 and RFC 7517."""

from __future__ import annotations

from fairlead.apiserver.auth.keyset import ALGORITHM, KeySet
from fairlead.machinery.kinds.decode import encode
from fairlead.runtime.client import Response

DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/openid/v1/jwks"
PATHS = (DISCOVERY, KEYS)
_CACHED = {"cache-control": "public, max-age=3600"}


class IssuerDocuments:
    """Answers the two paths of an issuer of tokens."""

    def __init__(self, keys: KeySet, *, issuer: str, address: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._address = address

    def answer(self, path: str) -> Response:
        """Returns the document at one of `PATHS`."""
        if path == KEYS:
            return Response(200, encode(self._keys.documents()), {"content-type": "application/jwk-set+json"} | _CACHED)
        document = {
            "issuer": self._issuer,
            "jwks_uri": f"https://{self._address}{KEYS}",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }
        return Response(200, encode(document), {"content-type": "application/json"} | _CACHED)

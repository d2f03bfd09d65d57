"""Authentication: a list of authenticators; the first that recognises the credentials names the user.

The client certificate of a connection names the user (common name) and the groups (organisations). Without a
certificate, the bearer token of a service account does. A request without credentials is anonymous.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import POD
from fairlead.api.core.secret.kind import SECRET, Secret
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT
from fairlead.apiserver.auth.tokens import Claims, InvalidToken, LegacyClaims, Named, Tokens, check_times
from fairlead.apiserver.model import ANONYMOUS, User, service_account
from fairlead.apiserver.serialization.subprotocols import HEADER, token_in, wants_websocket
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import parse_time
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import StatusError


class Credentials(msgspec.Struct, frozen=True):
    """The credentials of a request."""

    certificate: User | None
    """The user in the connection's verified client certificate (`user_of_certificate`)."""
    headers: Mapping[str, str]


class Authenticator(Protocol):
    """One way to authenticate a request."""

    async def authenticate(self, credentials: Credentials) -> User | None:
        """Returns the user; None if the request has no credentials of this type. Raises StatusError 401 for bad
        credentials."""
        ...


class AuthenticatorChain:
    """Asks several authenticators in order. After a refusal, the next authenticator may still accept."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)
        self.certificate_first = isinstance(next(iter(authenticators), None), CertificateAuthenticator)
        """True if a client certificate decides alone, so that the chain need not be asked."""

    async def authenticate(self, credentials: Credentials) -> User:
        """Returns the user, possibly the anonymous one. Raises StatusError 401 if all credentials are refused."""
        refusal: StatusError | None = None
        for authenticator in self._authenticators:
            try:
                user = await authenticator.authenticate(credentials)
            except StatusError as error:
                refusal = refusal or error
            else:
                if user is not None:
                    return user
        if refusal is not None:
            raise refusal
        return ANONYMOUS


class CertificateAuthenticator:
    """Authenticates by the connection's client certificate. Implements `Authenticator`."""

    async def authenticate(self, credentials: Credentials) -> User | None:
        return credentials.certificate


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The user of a token, and the wanted audiences that the token is for."""

    user: User
    audiences: tuple[str, ...]


class TokenAuthenticator:
    """Authenticates by the token of a service account. Implements `Authenticator`.

    What must stay true: every use of a token checks that the account and the object to which the token is bound still
    exist with the same uid; a token ends with them.
    """

    def __init__(self, resources: Resources, tokens: Tokens, *, issuer: str, clock: Clock) -> None:
        self._resources = resources
        self._accounts = resources.of(SERVICE_ACCOUNT).cache
        self._tokens = tokens
        self._issuer = issuer
        self._clock = clock

    async def authenticate(self, credentials: Credentials) -> User | None:
        try:
            token = bearer_token(credentials.headers)
            return self.check(token, (self._issuer,)).user if token else None
        except (InvalidToken, ValueError) as e:
            raise unauthorized() from e

    def check(self, token: str, audiences: Sequence[str]) -> Authenticated:
        """Returns the user of a token for one of the audiences. Raises InvalidToken."""
        claims = self._tokens.read(token)
        if isinstance(claims, LegacyClaims):
            if self._issuer not in audiences:
                raise InvalidToken("token is for another audience")
            return Authenticated(self._user_of_secret(token, claims), (self._issuer,))
        check_times(claims, now=self._clock.now())
        if claims.iss != self._issuer:
            raise InvalidToken("token is of another issuer")
        matching = tuple(audience for audience in audiences if audience in claims.aud)
        if not matching:
            raise InvalidToken("token is for another audience")
        return Authenticated(self._user_of_claims(claims), matching)

    def _user_of_claims(self, claims: Claims) -> User:
        bound = claims.kubernetes
        namespace, account = bound.namespace, bound.serviceaccount
        self._check(SERVICE_ACCOUNT, namespace, account)
        extra: dict[str, tuple[str, ...]] = {}
        if bound.secret is not None:
            self._check(SECRET, namespace, bound.secret)
        if bound.pod is not None:
            self._check(POD, namespace, bound.pod)
            extra[_EXTRA + "pod-name"], extra[_EXTRA + "pod-uid"] = (bound.pod.name,), (bound.pod.uid,)
        if bound.node is not None:
            if bound.pod is None:
                self._check(NODE, "", bound.node)
            extra[_EXTRA + "node-name"] = (bound.node.name,)
            if bound.node.uid:
                extra[_EXTRA + "node-uid"] = (bound.node.uid,)
        if claims.jti:
            extra[_EXTRA + "credential-id"] = (f"JTI={claims.jti}",)
        return service_account(namespace, account.name, account.uid, extra)

    def _user_of_secret(self, token: str, claims: LegacyClaims) -> User:
        namespace = claims.namespace
        if claims.sub != f"system:serviceaccount:{namespace}:{claims.account}":
            raise InvalidToken("sub claim is invalid")
        entry = self._resources.of(SECRET).cache.get(f"{namespace}/{claims.secret}")
        secret: Secret | None = entry.decode() if entry is not None else None
        if secret is None or secret.metadata.deletionTimestamp:
            raise InvalidToken("Token has been invalidated")
        kept = secret.data.get("token", "")
        if not hmac.compare_digest(kept.encode(), base64.b64encode(token.encode())):
            raise InvalidToken("Token does not match server's copy")
        self._check(SERVICE_ACCOUNT, namespace, Named(claims.account, claims.uid))
        if secret.metadata.labels.get(_INVALID_SINCE):
            raise InvalidToken(f"the token in secret {namespace}/{claims.secret} has been marked invalid")
        return service_account(namespace, claims.account, claims.uid)

    def _check(self, kind: Kind[Any], namespace: str, bound: Named) -> None:
        """Raises InvalidToken unless the object exists, with the uid that the token was bound to."""
        resource = self._resources.of(kind)
        entry = resource.cache.get(resource.key(namespace, bound.name))
        meta = entry.decode().metadata if entry is not None else None
        if meta is None or (meta.deletionTimestamp and self._is_over(meta.deletionTimestamp)):
            raise InvalidToken("service account token has been invalidated")
        if meta.uid != bound.uid:
            raise InvalidToken(f"{kind.kind} UID ({meta.uid}) does not match claim ({bound.uid})")

    def _is_over(self, deleted: str) -> bool:
        """Returns whether an object that is being deleted has had its time."""
        return parse_time(deleted) < self._clock.now() - _LEEWAY_S


_EXTRA = "authentication.kubernetes.io/"
_INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
_LEEWAY_S = 60
"""Seconds for which a token outlives the deletionTimestamp of its object: upstream's leeway."""


def bearer_token(headers: Mapping[str, str]) -> str:
    """Returns the bearer token of a request, or "". Raises InvalidToken, ValueError."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        if not token.strip():
            raise InvalidToken("empty token")
        return token.strip()
    return token_in(headers.get(HEADER, "")) if wants_websocket(headers) else ""


def user_of_certificate(peer: Mapping[str, Any] | None) -> User | None:
    """Returns the user of a verified client certificate (as from `getpeercert`)."""
    if not peer:
        return None
    parts = [pair for rdn in peer.get("subject", ()) for pair in rdn]
    names = [value for key, value in parts if key == "commonName"]
    groups = [value for key, value in parts if key == "organizationName"]
    return User(names[0], (*groups, "system:authenticated")) if names else None


def unauthorized() -> StatusError:
    return StatusError(401, "Unauthorized", "Unauthorized")

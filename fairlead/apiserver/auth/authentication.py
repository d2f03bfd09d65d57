"""Authentication: a list of authenticators; the first that recognises the credentials names the user.

The client certificate of a connection names the user (common name) and the groups (organisations). Without a
certificate, the bearer token of a service account does. A request without credentials is anonymous.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT
from fairlead.apiserver.auth import tokens
from fairlead.apiserver.model import ANONYMOUS, User
from fairlead.apiserver.serialization.subprotocols import HEADER, token_in, wants_websocket
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.clock import Clock
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
        """Whether a client certificate decides alone, so that the chain need not be asked."""

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


class TokenAuthenticator:
    """Authenticates by the token of a service account. Implements `Authenticator`."""

    def __init__(self, resources: Resources, *, key: bytes, audience: str, clock: Clock) -> None:
        self._accounts = resources.of(SERVICE_ACCOUNT).cache
        self._pods = resources.of(POD).cache
        self._key = key
        self._audience = audience
        self._clock = clock

    async def authenticate(self, credentials: Credentials) -> User | None:
        try:
            token = _token(credentials.headers)
            return self.user_of_token(token) if token else None
        except (tokens.InvalidToken, ValueError) as e:
            raise unauthorized() from e

    def user_of_token(self, token: str) -> User:
        """Returns the service account of a token. Raises InvalidToken."""
        claims = tokens.verify(token, self._key, audience=self._audience, now=self._clock.now())
        bound = claims.kubernetes
        entry = self._accounts.get(f"{bound.namespace}/{bound.serviceaccount.name}")
        if entry is None or entry.decode().metadata.uid != bound.serviceaccount.uid:
            raise tokens.InvalidToken("service account not found")
        extra: dict[str, tuple[str, ...]] = {}
        if bound.pod is not None:
            self._check_pod(bound.namespace, bound.pod)
            extra = {
                "authentication.kubernetes.io/pod-name": (bound.pod.name,),
                "authentication.kubernetes.io/pod-uid": (bound.pod.uid,),
            }
        return User(
            f"{tokens.PREFIX}{bound.namespace}:{bound.serviceaccount.name}",
            ("system:serviceaccounts", f"system:serviceaccounts:{bound.namespace}", "system:authenticated"),
            bound.serviceaccount.uid,
            extra,
        )

    def _check_pod(self, namespace: str, bound: tokens.ClaimRef) -> None:
        entry = self._pods.get(f"{namespace}/{bound.name}")
        pod: Pod | None = entry.decode() if entry is not None else None
        if pod is None or pod.metadata.uid != bound.uid:
            raise tokens.InvalidToken("pod not found")


def _token(headers: Mapping[str, str]) -> str:
    """Returns the bearer token of a request, or "". Raises InvalidToken, ValueError."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        if not token.strip():
            raise tokens.InvalidToken("empty token")
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

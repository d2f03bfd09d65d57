"""Who is asking, and whether they may.

A connection's client certificate says who asks (common name the user, organisations the groups); without one, a
bearer token of a service account does. Whoever says nothing may only look at the server's health. Authorization
is upstream's AlwaysAllow for everybody who is known, and lives in one function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT
from fairlead.apiserver.auth import tokens
from fairlead.apiserver.auth.impersonation import refuse_impersonation
from fairlead.apiserver.model import ANONYMOUS, User
from fairlead.apiserver.serialization.subprotocols import HEADER, token_in, wants_websocket
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.clock import Clock
from fairlead.machinery.status import StatusError
from fairlead.runtime.client import Request

PUBLIC = frozenset({"/healthz", "/livez", "/readyz", "/version"})
_PUBLIC_PREFIXES = ("/healthz/", "/livez/", "/readyz/")


class Authenticator:
    def __init__(self, resources: Resources, *, key: bytes, audience: str, clock: Clock) -> None:
        self._accounts = resources.of(SERVICE_ACCOUNT).cache
        self._pods = resources.of(POD).cache
        self._key = key
        self._audience = audience
        self._clock = clock

    def of_request(self, certificate_user: User | None, headers: Mapping[str, str]) -> User:
        """The user of a request. Raises StatusError 401 for a token that is none."""
        if certificate_user is not None:
            return certificate_user
        try:
            token = _token(headers)
            return self.of_token(token) if token else ANONYMOUS
        except (tokens.BadToken, ValueError) as e:
            raise unauthorized() from e

    def of_token(self, token: str) -> User:
        """The service account of a token. Raises BadToken."""
        claims = tokens.verify(token, self._key, audience=self._audience, now=self._clock.now())
        bound = claims.kubernetes
        entry = self._accounts.get(f"{bound.namespace}/{bound.serviceaccount.name}")
        if entry is None or entry.decode().metadata.uid != bound.serviceaccount.uid:
            raise tokens.BadToken("the service account is gone")
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

    def _check_pod(self, namespace: str, bound: tokens.Named) -> None:
        entry = self._pods.get(f"{namespace}/{bound.name}")
        pod: Pod | None = entry.decode() if entry is not None else None
        if pod is None or pod.metadata.uid != bound.uid:
            raise tokens.BadToken("the pod is gone")


def _token(headers: Mapping[str, str]) -> str:
    """Returns the bearer token of a request; empty if there is none. Raises BadToken, ValueError."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        if not token.strip():
            raise tokens.BadToken("the token is empty")
        return token.strip()
    return token_in(headers.get(HEADER, "")) if wants_websocket(headers) else ""


def of_certificate(peer: Mapping[str, Any] | None) -> User | None:
    """The user that a verified client certificate (as from `getpeercert`) names."""
    if not peer:
        return None
    parts = [pair for rdn in peer.get("subject", ()) for pair in rdn]
    names = [value for key, value in parts if key == "commonName"]
    groups = [value for key, value in parts if key == "organizationName"]
    return User(names[0], (*groups, "system:authenticated")) if names else None


def authorize(user: User, request: Request) -> None:
    """Raises StatusError 401 if a stranger asks for more than health, 403 for a request on behalf of another user."""
    path = request.path
    if user is ANONYMOUS and path not in PUBLIC and not path.startswith(_PUBLIC_PREFIXES):
        raise unauthorized()
    refuse_impersonation(user, request.headers)


def permits(user: User, request: Request) -> bool:
    """Returns whether `authorize` lets the request pass: only then is its body worth reading."""
    try:
        authorize(user, request)
    except StatusError:
        return False
    return True


def unauthorized() -> StatusError:
    return StatusError(401, "Unauthorized", "Unauthorized")

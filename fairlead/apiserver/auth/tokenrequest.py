"""serviceaccounts/token: issues tokens (authentication.k8s.io/v1 TokenRequest)."""

from __future__ import annotations

from typing import Any

from fairlead.api.authentication.tokenrequest import BoundObjectReference, TokenRequest, TokenRequestStatus
from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import POD
from fairlead.api.core.secret.kind import SECRET
from fairlead.api.meta.types import ObjectMeta
from fairlead.apiserver.auth import tokens
from fairlead.apiserver.auth.tokens import Tokens
from fairlead.apiserver.serialization.body import read_as
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.clock import Clock
from fairlead.base.ids import IdSource
from fairlead.base.instant import Instant, render_time
from fairlead.machinery.kinds.decode import Target as Body
from fairlead.machinery.kinds.decode import encode
from fairlead.machinery.values.quoting import go_quote
from fairlead.machinery.values.status import FieldError, bad_request, conflict, invalid, invalid_object
from fairlead.runtime.client import Request

_BODY = Body(TokenRequest, "TokenRequest", "authentication.k8s.io/v1")
_LEAST_S = 600
_MOST_S = 1 << 32
_DEFAULT_S = 3600

_EXTENDED_S = 3607
"""The lifetime in seconds that kubelets ask for: such a token of a Pod is valid for longer, and its use after this
time is recorded (upstream's `--service-account-extend-token-expiration`)."""
_EXTENSION_S = 365 * 86400
_BACK_DATED_S = 86400
"""Seconds by which a token's validity begins before its issue, so that it stays valid if the clock is set back
within a day."""


class TokenIssuer:
    """Signs tokens of service accounts."""

    def __init__(self, resources: Resources, tokens: Tokens, *, issuer: str, clock: Clock, ids: IdSource) -> None:
        self._resources = resources
        self._tokens = tokens
        self._issuer = issuer
        self._clock = clock
        self._ids = ids

    def read(self, request: Request) -> TokenRequest:
        """Returns the TokenRequest in a body. Raises StatusError 400, 415."""
        return read_as(_BODY, request).obj

    def issue(self, target: Target, asked: TokenRequest) -> bytes:
        """Completes the request with a token. Raises StatusError 400, 404, 409, 422."""
        account: ObjectMeta = target.resource.find(target.namespace, target.name).decode().metadata
        _check_account(asked.metadata, target, account)
        spec = asked.spec
        spec.audiences = spec.audiences or [self._issuer]
        if spec.expirationSeconds is None:
            spec.expirationSeconds = _DEFAULT_S
        _check_expiry(spec.expirationSeconds, target.name)
        now = int(self._clock.now())
        bound = self._bound(target, spec.boundObjectRef)
        bound.namespace, bound.serviceaccount = target.namespace, tokens.Named(target.name, account.uid)
        lifetime_s = spec.expirationSeconds
        if bound.pod is not None and lifetime_s == _EXTENDED_S and spec.audiences == [self._issuer]:
            bound.warnafter, lifetime_s = now + lifetime_s, _EXTENSION_S
        claims = tokens.Claims(
            aud=spec.audiences,
            exp=now + lifetime_s,
            iat=now,
            nbf=now - _BACK_DATED_S,
            iss=self._issuer,
            jti=self._ids.uid(),
            sub=f"system:serviceaccount:{target.namespace}:{target.name}",
            kubernetes=bound,
        )
        asked.metadata = ObjectMeta(
            name=target.name,
            namespace=target.namespace,
            uid=account.uid,
            creationTimestamp=render_time(Instant(now)),
        )
        asked.status = TokenRequestStatus(
            token=self._tokens.sign(claims), expirationTimestamp=render_time(Instant(now + spec.expirationSeconds))
        )
        return encode(asked)

    def _bound(self, target: Target, ref: BoundObjectReference | None) -> tokens.Kubernetes:
        """Returns the claims about the object that the token is bound to. Raises StatusError 400, 404, 409."""
        if ref is None:
            return tokens.Kubernetes()
        if (binding := _BINDABLE.get((ref.apiVersion, ref.kind))) is None:
            group, _, version = ref.apiVersion.rpartition("/")
            raise bad_request(f"cannot bind token to object of type {group}/{version}, Kind={ref.kind}")
        kind, claims_of = binding
        obj = self._resources.of(kind).find(target.namespace, ref.name).decode()
        named = tokens.Named(ref.name, obj.metadata.uid)
        claims = claims_of(self, target, obj, named)
        if ref.uid and ref.uid != named.uid:
            why = f"the UID in the bound object reference ({ref.uid}) does not match the UID in record. "
            raise conflict(kind.kind, "", ref.name, why + "The object might have been deleted and then recreated")
        return claims

    def _of_pod(self, target: Target, pod: Any, named: tokens.Named) -> tokens.Kubernetes:
        if pod.spec.serviceAccountName != target.name:
            why = "to pod running with different serviceaccount name."
            raise bad_request(f"cannot bind token for serviceaccount {go_quote(target.name)} {why}")
        return tokens.Kubernetes(pod=named, node=self._node_of(pod.spec.nodeName))

    def _of_secret(self, _: Target, __: Any, named: tokens.Named) -> tokens.Kubernetes:
        return tokens.Kubernetes(secret=named)

    def _of_node(self, _: Target, __: Any, named: tokens.Named) -> tokens.Kubernetes:
        return tokens.Kubernetes(node=named)

    def _node_of(self, name: str) -> tokens.Named | None:
        """Returns the node of a Pod, without a uid if the Node does not exist."""
        if not name:
            return None
        entry = self._resources.of(NODE).cache.get(name)
        return tokens.Named(name, entry.decode().metadata.uid if entry is not None else "")


_BINDABLE = {
    ("v1", "Pod"): (POD, TokenIssuer._of_pod),
    ("v1", "Secret"): (SECRET, TokenIssuer._of_secret),
    ("v1", "Node"): (NODE, TokenIssuer._of_node),
}


def _check_account(given: ObjectMeta, target: Target, account: ObjectMeta) -> None:
    """Checks that the request names this account or none. Raises StatusError 400."""
    for field, value, real in (
        ("name", given.name, target.name),
        ("namespace", given.namespace, target.namespace),
    ):
        if value and value != real:
            words = f"must match the service account {field} if specified"
            errors = [invalid(f"metadata.{field}", value, words)]
            raise invalid_object("TokenRequest", "authentication.k8s.io", target.name, errors)
    if given.uid and given.uid != account.uid:
        why = (
            f"the UID in the token request ({given.uid}) does not match the UID of the service account ({account.uid})"
        )
        raise conflict("TokenRequest", "authentication.k8s.io", target.name, why)


def _check_expiry(seconds: int, name: str) -> None:
    errors: list[FieldError] = []
    if seconds < _LEAST_S:
        errors.append(invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
    if seconds > _MOST_S:
        errors.append(invalid("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"))
    if errors:
        raise invalid_object("TokenRequest", "authentication.k8s.io", name, errors)

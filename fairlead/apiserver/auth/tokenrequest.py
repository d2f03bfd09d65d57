"""serviceaccounts/token: issues tokens (authentication.k8s.io/v1 TokenRequest)."""

from __future__ import annotations

from fairlead.api.authentication.tokenrequest import BoundObjectReference, TokenRequest, TokenRequestStatus
from fairlead.api.core.pod.kind import POD
from fairlead.api.meta.types import ObjectMeta
from fairlead.apiserver.auth import tokens
from fairlead.apiserver.serialization.body import read_as
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.clock import Clock
from fairlead.base.ids import IdSource
from fairlead.base.instant import Instant, render_time
from fairlead.machinery.kinds.decode import Target as Body
from fairlead.machinery.kinds.decode import encode
from fairlead.machinery.values.status import FieldError, bad_request, conflict, invalid, invalid_object
from fairlead.runtime.client import Request

_BODY = Body(TokenRequest, "TokenRequest", "authentication.k8s.io/v1")
_LEAST_S = 600
_MOST_S = 1 << 32
_DEFAULT_S = 3600

_BACK_DATED_S = 86400
"""Seconds by which a token's validity begins before its issue, so that it stays valid if the clock is set back
within a day."""


class TokenIssuer:
    """Signs tokens of service accounts."""

    def __init__(self, resources: Resources, *, key: bytes, issuer: str, clock: Clock, ids: IdSource) -> None:
        self._pods = resources.of(POD)
        self._key = key
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
        now = self._clock.now()
        claims = tokens.Claims(
            aud=spec.audiences,
            exp=int(now) + spec.expirationSeconds,
            iat=int(now),
            nbf=int(now) - _BACK_DATED_S,
            iss=self._issuer,
            jti=self._ids.uid(),
            sub=f"{tokens.PREFIX}{target.namespace}:{target.name}",
            kubernetes=tokens.KubernetesClaims(
                namespace=target.namespace,
                serviceaccount=tokens.ClaimRef(target.name, account.uid),
                pod=self._bound(target, spec.boundObjectRef) if spec.boundObjectRef is not None else None,
            ),
        )
        asked.metadata = ObjectMeta(
            name=target.name,
            namespace=target.namespace,
            uid=account.uid,
            creationTimestamp=render_time(Instant(now)),
        )
        asked.status = TokenRequestStatus(
            token=tokens.sign(claims, self._key), expirationTimestamp=render_time(Instant(claims.exp))
        )
        return encode(asked)

    def _bound(self, target: Target, ref: BoundObjectReference) -> tokens.ClaimRef:
        """Returns the Pod that the token is bound to. Raises StatusError 404, 409, 422."""
        if (ref.apiVersion, ref.kind) != ("v1", "Pod"):
            raise bad_request(f"cannot bind token for serviceaccount {target.name!r} to object of type {ref.kind!r}")
        pod = self._pods.find(target.namespace, ref.name).decode()
        if ref.uid and ref.uid != pod.metadata.uid:
            why = f"the UID in the bound object reference ({ref.uid}) does not match the UID in record. "
            raise conflict("pods", "", ref.name, why + "The object might have been deleted and then recreated")
        if pod.spec.serviceAccountName != target.name:
            raise bad_request(
                f'cannot bind token for serviceaccount "{target.name}" to pod running with different '
                f'serviceaccount "{pod.spec.serviceAccountName}"'
            )
        return tokens.ClaimRef(ref.name, pod.metadata.uid)


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

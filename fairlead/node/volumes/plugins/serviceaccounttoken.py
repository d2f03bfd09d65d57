"""A token of the pod's service account as a file of a projected volume."""

from __future__ import annotations

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.volumes.volume_projected import ServiceAccountTokenProjection
from fairlead.node.env.references import RequestedToken
from fairlead.node.volumes.contents import File, Files, VolumeProblem, VolumeSources
from fairlead.node.volumes.plugin import Projection

_DEFAULT_S = 3600


def _requested(source: ServiceAccountTokenProjection) -> RequestedToken:
    return RequestedToken(source.audience, source.expirationSeconds or _DEFAULT_S)


def _projected(source: ServiceAccountTokenProjection, _pod: Pod, mode: int, sources: VolumeSources) -> Files:
    token = sources.tokens.get(_requested(source))
    if token is None:
        raise VolumeProblem("the service account's token is not there yet")
    return {source.path: File(token.encode(), mode)}


TOKEN_PROJECTION = Projection(
    field="serviceAccountToken",
    files=_projected,
    add_references=lambda source, references: references.tokens.add(_requested(source)),
)

"""What a pod's volumes contain, as values: files of config maps, secrets, tokens and the downward API. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fairlead.api.core.pod.container import Container
from fairlead.api.core.pod.env import ResourceFieldSelector
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.volume import Volume
from fairlead.api.core.pod.volume_projected import DownwardAPIVolumeFile, KeyToPath, VolumeProjection
from fairlead.machinery.quantity import parse_quantity
from fairlead.node.env.environment import Data
from fairlead.node.env.fields import FieldProblem, resource_value, value_of

_DEFAULT_MODE = 0o644
DEFAULT_TOKEN_S = 3600
SUPPORTED = ("emptyDir", "hostPath", "configMap", "secret", "projected", "downwardAPI")


class VolumeProblem(Exception):
    """The volume cannot be set up, now or ever; the text goes into a FailedMount event."""


@dataclass(frozen=True, slots=True)
class File:
    data: bytes
    mode: int


Files = dict[str, File]
"""By path below the volume's root."""


@dataclass(frozen=True, slots=True)
class RequestedToken:
    """A service-account token that a volume shows."""

    audience: str
    expiration_s: int


def requested_tokens(pod: Pod) -> frozenset[RequestedToken]:
    found = set()
    for volume in pod.spec.volumes:
        for source in volume.projected.sources if volume.projected else ():
            if source.serviceAccountToken:
                found.add(_wanted(source))
    return frozenset(found)


def _wanted(source: VolumeProjection) -> RequestedToken:
    token = source.serviceAccountToken
    assert token is not None
    return RequestedToken(token.audience, token.expirationSeconds or DEFAULT_TOKEN_S)


@dataclass(frozen=True, slots=True)
class Sources:
    """What volumes are filled from."""

    data: Data
    tokens: Mapping[RequestedToken, str]
    allocatable: Mapping[str, str]


def kind_of(volume: Volume) -> str:
    """The name of the volume's source, `emptyDir` where none is given."""
    names = (f for f in volume.__struct_fields__ if f != "name" and getattr(volume, f) is not None)
    return next(names, "emptyDir")


def check_supported(volume: Volume) -> None:
    """Raises VolumeProblem for a source that these nodes cannot mount."""
    kind = kind_of(volume)
    if kind not in SUPPORTED:
        raise VolumeProblem(f"{kind} volumes are not supported by fairlead's nodes: use {', '.join(SUPPORTED)}")


def files_of(volume: Volume, pod: Pod, sources: Sources) -> Files | None:
    """The files of a volume made from the API; None: its source is not of that sort. Raises VolumeProblem."""
    if volume.configMap:
        wanted = volume.configMap
        values = sources.data.config_map(wanted.name)
        mode = wanted.defaultMode if wanted.defaultMode is not None else _DEFAULT_MODE
        return _keys(values, wanted.items, mode, f'configmap "{wanted.name}"', bool(wanted.optional))
    if volume.secret:
        secret = volume.secret
        values = sources.data.secret(secret.secretName)
        mode = secret.defaultMode if secret.defaultMode is not None else _DEFAULT_MODE
        return _keys(values, secret.items, mode, f'secret "{secret.secretName}"', bool(secret.optional))
    if volume.downwardAPI:
        mode = _DEFAULT_MODE if volume.downwardAPI.defaultMode is None else volume.downwardAPI.defaultMode
        return _downward(volume.downwardAPI.items, pod, mode, sources)
    if volume.projected:
        mode = _DEFAULT_MODE if volume.projected.defaultMode is None else volume.projected.defaultMode
        found: Files = {}
        for source in volume.projected.sources:
            found |= _projected(source, pod, mode, sources)
        return found
    return None


def _projected(source: VolumeProjection, pod: Pod, mode: int, sources: Sources) -> Files:
    if source.configMap:
        ref = source.configMap
        values = sources.data.config_map(ref.name)
        return _keys(values, ref.items, mode, f'configmap "{ref.name}"', bool(ref.optional))
    if source.secret:
        sref = source.secret
        return _keys(sources.data.secret(sref.name), sref.items, mode, f'secret "{sref.name}"', bool(sref.optional))
    if source.downwardAPI:
        return _downward(source.downwardAPI.items, pod, mode, sources)
    if source.serviceAccountToken:
        token = sources.tokens.get(_wanted(source))
        if token is None:
            raise VolumeProblem("the service account's token is not there yet")
        return {source.serviceAccountToken.path: File(token.encode(), mode)}
    raise VolumeProblem("this projected source is not supported by fairlead's nodes")


def _keys(
    values: Mapping[str, bytes] | None, items: Sequence[KeyToPath], mode: int, what: str, optional: bool
) -> Files:
    if values is None:
        if optional:
            return {}
        raise VolumeProblem(f"{what} not found")
    if not items:
        return {key: File(value, mode) for key, value in values.items()}
    found: Files = {}
    for item in items:
        if item.key in values:
            found[item.path] = File(values[item.key], mode if item.mode is None else item.mode)
        elif not optional:
            raise VolumeProblem(f"{what} references non-existent config key: {item.key}")
    return found


def _downward(items: Sequence[DownwardAPIVolumeFile], pod: Pod, mode: int, sources: Sources) -> Files:
    found: Files = {}
    for item in items:
        try:
            if item.fieldRef:
                text = value_of(pod, item.fieldRef.fieldPath)
            elif item.resourceFieldRef:
                text = _resource(pod, item.resourceFieldRef, sources.allocatable)
            else:
                continue
        except FieldProblem as error:
            raise VolumeProblem(str(error)) from error
        found[item.path] = File(text.encode(), mode if item.mode is None else item.mode)
    return found


def _resource(pod: Pod, ref: ResourceFieldSelector, allocatable: Mapping[str, str]) -> str:
    about = next((c for c in _containers(pod) if c.name == ref.containerName), None)
    if about is None:
        raise FieldProblem(f"container {ref.containerName} not found")
    divisor = str(ref.divisor or "1")
    return resource_value(about, ref.resource, parse_quantity(divisor if divisor != "0" else "1"), allocatable)


def _containers(pod: Pod) -> Iterator[Container]:
    yield from pod.spec.containers
    yield from pod.spec.initContainers

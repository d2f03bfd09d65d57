"""Brings together what a pod needs from the API (config maps, secrets, tokens) and lays out its volumes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from fairlead.api.authentication.tokenrequest import BoundObjectReference, TokenRequest, TokenRequestSpec
from fairlead.api.core.configmap.kind import CONFIG_MAP
from fairlead.api.core.pod.container import Container
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.volume import EmptyDirVolumeSource, Volume
from fairlead.api.core.secret.kind import SECRET
from fairlead.base.instant import Instant
from fairlead.machinery.status import StatusError
from fairlead.node.env.environment import Data, expand, named_data
from fairlead.node.pods.shared import Shared
from fairlead.node.runtime.containerspec import Mount
from fairlead.node.volumes.podfiles import PodFiles, check_mount, host_path
from fairlead.node.volumes.volumes import (
    RequestedToken,
    Sources,
    VolumeProblem,
    check_supported,
    files_of,
    requested_tokens,
)

_RENEW_AT = 0.8
"""A token is asked for anew when this part of its life is over."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    text: str
    issued: Instant
    renewal: Instant

    def is_fresh(self, now: Instant) -> bool:
        """False before it was issued, too: then the machine's clock was set back."""
        return self.issued <= now < self.renewal


@dataclass(slots=True)
class Material:
    """What a pod's containers are made with."""

    data: Data = field(default_factory=Data)
    tokens: dict[RequestedToken, IssuedToken] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    """Where volumes lie on the host, by name."""


async def fetch(shared: Shared, pod: Pod, material: Material) -> None:
    """Config maps, secrets and tokens, as they are now. Raises ConnectionError, and StatusError but for 404."""
    maps, secrets = named_data(pod)
    namespace = pod.metadata.namespace
    await asyncio.gather(
        *(_fetch_map(shared, name, namespace, material.data) for name in sorted(maps)),
        *(_fetch_secret(shared, name, namespace, material.data) for name in sorted(secrets)),
        *(_fetch_token(shared, pod, wanted, material) for wanted in requested_tokens(pod)),
    )


async def _fetch_map(shared: Shared, name: str, namespace: str, data: Data) -> None:
    try:
        data.config_maps[name] = await shared.client.get(CONFIG_MAP, name, namespace)
    except StatusError as error:
        if error.code != 404:
            raise
        data.config_maps[name] = None


async def _fetch_secret(shared: Shared, name: str, namespace: str, data: Data) -> None:
    try:
        data.secrets[name] = await shared.client.get(SECRET, name, namespace)
    except StatusError as error:
        if error.code != 404:
            raise
        data.secrets[name] = None


async def _fetch_token(shared: Shared, pod: Pod, wanted: RequestedToken, material: Material) -> None:
    now = shared.clock.now()
    known = material.tokens.get(wanted)
    if known is not None and known.is_fresh(now):
        return
    meta = pod.metadata
    spec = TokenRequestSpec(
        audiences=[wanted.audience] if wanted.audience else [],
        expirationSeconds=wanted.expiration_s,
        boundObjectRef=BoundObjectReference(kind="Pod", apiVersion="v1", name=meta.name, uid=meta.uid),
    )
    account = pod.spec.serviceAccountName or "default"
    path = f"/api/v1/namespaces/{meta.namespace}/serviceaccounts/{account}/token"
    request = TokenRequest(kind="TokenRequest", apiVersion="authentication.k8s.io/v1", spec=spec)
    try:
        answer = await shared.client.raw("POST", path, body=msgspec.json.encode(request))
    except StatusError as error:
        if error.code != 404:
            raise
        material.tokens.pop(wanted, None)
        return
    token = msgspec.json.decode(answer, type=TokenRequest).status.token
    material.tokens[wanted] = IssuedToken(token, now, Instant(now + _RENEW_AT * wanted.expiration_s))


def lay_out(shared: Shared, pod: Pod, files: PodFiles, material: Material) -> None:
    """Makes or refreshes every volume. Raises VolumeProblem with the text of the FailedMount event."""
    tokens = {wanted: held.text for wanted, held in material.tokens.items()}
    sources = Sources(material.data, tokens, shared.allocatable)
    for volume in pod.spec.volumes:
        try:
            material.sources[volume.name] = _lay_out_one(shared, pod, volume, files, sources)
        except (VolumeProblem, OSError) as error:
            raise VolumeProblem(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}') from error


def _lay_out_one(shared: Shared, pod: Pod, volume: Volume, files: PodFiles, sources: Sources) -> str:
    content = files_of(volume, pod, sources)
    group = pod.spec.securityContext.fsGroup if pod.spec.securityContext else None
    if content is not None:
        return files.write_volume(volume.name, content, stamp=f"{shared.clock.now():.6f}", group=group)
    if volume.hostPath:
        return host_path(volume.hostPath, shared.settings.hide)
    check_supported(volume)
    return files.empty_dir(volume.name, volume.emptyDir or EmptyDirVolumeSource(), group=group)


def mounts_of(
    container: Container, material: Material, env: Mapping[str, str], *, pod: Pod, hidden: Sequence[str]
) -> list[Mount]:
    """A container's volume mounts. Raises VolumeProblem."""
    from_api = {v.name for v in pod.spec.volumes if v.configMap or v.secret or v.downwardAPI or v.projected}
    on_host = {v.name: v.hostPath.type or "" for v in pod.spec.volumes if v.hostPath}
    found = []
    for mount in container.volumeMounts:
        source = material.sources.get(mount.name)
        if source is None:
            raise VolumeProblem(f'volume "{mount.name}" of container {container.name} is not set up')
        bind = Mount(
            source=source,
            destination=mount.mountPath,
            read_only=mount.readOnly or mount.name in from_api,
            sub_path=expand(mount.subPathExpr, env) if mount.subPathExpr else mount.subPath,
            host_path_type=on_host.get(mount.name),
        )
        if bind.sub_path:
            check_mount(bind, hidden)
        found.append(bind)
    return found

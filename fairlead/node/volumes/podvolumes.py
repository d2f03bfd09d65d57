"""The volumes of one pod on its node: fetches their content from the API, sets them up, refreshes them, mounts them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.api.authentication.tokenrequest import BoundObjectReference, TokenRequest, TokenRequestSpec
from fairlead.api.core.configmap.kind import CONFIG_MAP
from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.volumes.volume import Volume
from fairlead.api.core.secret.kind import SECRET
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant
from fairlead.machinery.values.status import StatusError
from fairlead.node.env.environment import expand
from fairlead.node.env.references import ConfigData, References, RequestedImage, RequestedToken
from fairlead.node.images.host import Image, NoImage
from fairlead.node.runtime.files.hostpath import open_source
from fairlead.node.runtime.files.safepath import PathProblem
from fairlead.node.runtime.protocol.containerspec import Mount
from fairlead.node.volumes.contents import VolumeProblem, VolumeSources
from fairlead.node.volumes.plugin import VolumePlugin, VolumeSite
from fairlead.node.volumes.podfiles import PodFiles
from fairlead.node.volumes.table import plugin_of
from fairlead.runtime.client import Client
from fairlead.storage.podclaims import PodClaim, claims_of

if TYPE_CHECKING:
    from fairlead.node.volumes.claimed import ClaimedVolume

ObtainImage = Callable[[str, str], Awaitable[Image]]
"""Returns an image by its name and pull policy, pulled if needed. Raises NoImage, ConnectionError, StatusError."""
_RENEW_AT = 0.8
"""The part of a token's lifetime after which a new one is requested."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    text: str
    issued: Instant
    renewal: Instant

    def is_fresh(self, now: Instant) -> bool:
        """Returns False before it was issued, too: then the machine's clock was set back."""
        return self.issued <= now < self.renewal


def used_volumes(pod: Pod) -> list[Volume]:
    """Returns the volumes that a container mounts or maps. Others are not set up, as upstream's kubelet does: a pod may
    name a volume that does not exist."""
    spec, names = pod.spec, set[str]()
    for container in (*spec.initContainers, *spec.containers, *spec.ephemeralContainers):
        names.update(mount.name for mount in container.volumeMounts)
        names.update(device.name for device in container.volumeDevices)
    return [volume for volume in spec.volumes if volume.name in names]


def references_of(pod: Pod) -> References:
    """Returns what the pod's containers and volumes need of the API."""
    references = References()
    references.add_containers(pod)
    for volume in used_volumes(pod):
        try:
            plugin, source = plugin_of(volume)
        except VolumeProblem:  # `set_up` says so, with the volume's name
            continue
        plugin.add_references(source, references)
    return references


class PodVolumes:
    """The fetched sources of a pod's volumes, and the volumes' paths."""

    def __init__(  # noqa: PLR0913 -- one for each source of volumes
        self,
        files: PodFiles,
        *,
        client: Client,
        images: ObtainImage,
        clock: Clock,
        allocatable: Mapping[str, str],
        masked: Sequence[str],
        directories: str = "",
        others: Callable[[], Iterable[Pod]] = tuple,
    ) -> None:
        self.data = ConfigData()
        self._files = files
        self._client = client
        self._obtain_image = images
        self._clock = clock
        self._allocatable = allocatable
        self._masked = masked
        self._directories = directories
        self._others = others
        """Returns the pods of the node, this one too."""
        self._claimed: dict[str, ClaimedVolume | VolumeProblem] = {}
        """The volumes of claims by the volume's name in the pod, or why they cannot be mounted."""
        self._tokens: dict[RequestedToken, IssuedToken] = {}
        self._images: dict[RequestedImage, Sequence[str]] = {}
        self._roots: dict[str, str] = {}
        """Paths on the host, by the volume's name."""
        self._given: set[str] = set()
        """Names of the volumes whose files the pod's group has."""

    async def fetch(self, pod: Pod) -> None:
        """Fetches config maps, secrets, tokens and images. Raises VolumeProblem, ConnectionError, and StatusError but
        for 404."""
        references, namespace = references_of(pod), pod.metadata.namespace
        used = {volume.name for volume in used_volumes(pod)}
        await asyncio.gather(
            *(self._fetch_map(name, namespace) for name in sorted(references.config_maps)),
            *(self._fetch_secret(name, namespace) for name in sorted(references.secrets)),
            *(self._fetch_token(pod, token) for token in references.tokens),
            *(self._fetch_claimed(pod, found) for found in claims_of(pod) if found.volume in used),
            *(self._fetch_image(image) for image in references.images - self._images.keys()),
        )

    async def _fetch_claimed(self, pod: Pod, found: PodClaim) -> None:
        from fairlead.node.volumes.claimed import fetch_claimed

        if found.volume in self._roots:
            return  # a mounted volume stays as it is
        try:
            self._claimed[found.volume] = await fetch_claimed(
                self._client, pod, found, directories=self._directories, others=self._others()
            )
        except VolumeProblem as error:
            self._claimed[found.volume] = error

    async def _fetch_image(self, requested: RequestedImage) -> None:
        """Pulls an image once for each pod: a volume keeps the files that it has."""
        try:
            image = await self._obtain_image(requested.reference, requested.policy)
        except NoImage as error:
            raise VolumeProblem(f"cannot mount image {requested.reference}: {error}") from error
        if image.layers is None:
            text = "is a program of this machine, which cannot be a volume: load or pull an image of this name"
            raise VolumeProblem(f"image {requested.reference} {text}")
        self._images[requested] = image.layers

    async def _fetch_map(self, name: str, namespace: str) -> None:
        try:
            self.data.config_maps[name] = await self._client.get(CONFIG_MAP, name, namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            self.data.config_maps[name] = None

    async def _fetch_secret(self, name: str, namespace: str) -> None:
        try:
            self.data.secrets[name] = await self._client.get(SECRET, name, namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            self.data.secrets[name] = None

    async def _fetch_token(self, pod: Pod, requested: RequestedToken) -> None:
        now = self._clock.now()
        known = self._tokens.get(requested)
        if known is not None and known.is_fresh(now):
            return
        meta = pod.metadata
        spec = TokenRequestSpec(
            audiences=[requested.audience] if requested.audience else [],
            expirationSeconds=requested.expiration_s,
            boundObjectRef=BoundObjectReference(kind="Pod", apiVersion="v1", name=meta.name, uid=meta.uid),
        )
        account = pod.spec.serviceAccountName or "default"
        path = f"/api/v1/namespaces/{meta.namespace}/serviceaccounts/{account}/token"
        request = TokenRequest(kind="TokenRequest", apiVersion="authentication.k8s.io/v1", spec=spec)
        try:
            answer = await self._client.raw("POST", path, body=msgspec.json.encode(request))
        except StatusError as error:
            if error.code != 404:
                raise
            self._tokens.pop(requested, None)
            return
        token = msgspec.json.decode(answer, type=TokenRequest).status.token
        self._tokens[requested] = IssuedToken(token, now, Instant(now + _RENEW_AT * requested.expiration_s))

    def set_up(self, pod: Pod) -> None:
        """Makes or refreshes every volume that is used. Raises VolumeProblem with the text of the FailedMount event."""
        for volume in used_volumes(pod):
            claimed = self._claimed.get(volume.name)
            if isinstance(claimed, VolumeProblem):
                raise claimed
            name = volume.name if claimed is None else claimed.volume
            try:
                self._roots[volume.name] = self._set_up_one(pod, volume)
            except (VolumeProblem, OSError) as error:
                raise VolumeProblem(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error

    async def give_to_group(self, pod: Pod) -> None:
        """Gives the files of claims' volumes to the pod's fsGroup, once. Raises VolumeProblem."""
        context = pod.spec.securityContext
        if context is None or context.fsGroup is None:
            return
        from fairlead.node.volumes.ownership import give_to_group

        group, only = context.fsGroup, context.fsGroupChangePolicy == "OnRootMismatch"
        for name, claimed in self._claimed.items():
            if isinstance(claimed, VolumeProblem) or not claimed.plugin.has_group or name in self._given:
                continue
            try:
                await asyncio.to_thread(give_to_group, self._roots[name], group, only_if_root_differs=only)
            except OSError as error:
                text = f'MountVolume.SetUp failed for volume "{claimed.volume}" : cannot apply fsGroup: {error}'
                raise VolumeProblem(text) from error
            self._given.add(name)

    def claimed_roots(self) -> dict[str, tuple[str, str]]:
        """Returns the claim and the directory of each mounted volume of a claim, by the volume's name in the pod."""
        return {
            name: (claimed.claim, self._roots[name])
            for name, claimed in self._claimed.items()
            if not isinstance(claimed, VolumeProblem) and name in self._roots
        }

    def _plugin_of(self, volume: Volume) -> tuple[VolumePlugin, Any]:
        claimed = self._claimed.get(volume.name)
        if claimed is None:
            return plugin_of(volume)
        if isinstance(claimed, VolumeProblem):
            raise claimed
        return claimed.plugin, claimed.source

    def _is_read_only(self, volume: str) -> bool:
        claimed = self._claimed.get(volume)
        return claimed is not None and not isinstance(claimed, VolumeProblem) and claimed.read_only

    def _set_up_one(self, pod: Pod, volume: Volume) -> str:
        plugin, source = self._plugin_of(volume)
        tokens = {requested: issued.text for requested, issued in self._tokens.items()}
        site = VolumeSite(
            pod=pod,
            root=self._files.volume(volume.name),
            sources=VolumeSources(self.data, tokens, self._allocatable, self._images),
            stamp=f"{self._clock.now():.6f}",
            masked_paths=self._masked,
            node_root=self._files.node_root,
        )
        return plugin.set_up(source, site)

    def mounts_of(self, pod: Pod, container: Container, env: Mapping[str, str]) -> list[Mount]:
        """Returns the mounts of a container's volumes. Raises VolumeProblem."""
        volumes = {volume.name: volume for volume in pod.spec.volumes}
        mounts = []
        for volume_mount in container.volumeMounts:
            root = self._roots.get(volume_mount.name)
            if root is None:
                raise VolumeProblem(f'volume "{volume_mount.name}" of container {container.name} is not set up')
            plugin, source = self._plugin_of(volumes[volume_mount.name])
            mount = Mount(
                source=root,
                destination=volume_mount.mountPath,
                read_only=bool(volume_mount.readOnly) or plugin.read_only or self._is_read_only(volume_mount.name),
                sub_path=expand(volume_mount.subPathExpr, env) if volume_mount.subPathExpr else volume_mount.subPath,
                host_path_type=plugin.host_path_type(source),
            )
            if mount.sub_path:
                check_mount(mount, self._masked, self._files.node_root)
            mounts.append(mount)
        return mounts


def refreshed(pod: Pod) -> bool:
    """Returns whether a volume of the pod follows the API."""
    return any(_from_api(volume) for volume in used_volumes(pod))


def _from_api(volume: Volume) -> bool:
    try:
        return plugin_of(volume)[0].from_api
    except VolumeProblem:
        return False


def check_mount(mount: Mount, masked: Sequence[str], node_root: str = "") -> None:
    """Opens a volume mount's source as its container will, for an error that the pod's events can show; makes the
    directories of a subPath. Raises VolumeProblem."""
    try:
        os.close(open_source(mount, [os.path.realpath(path) for path in masked], node_root))
    except (PathProblem, OSError) as error:
        raise VolumeProblem(str(error)) from error

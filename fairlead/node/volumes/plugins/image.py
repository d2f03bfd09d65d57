"""The files of an image as a volume: read-only, without execution, as upstream mounts them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from fairlead.api.core.pod.volumes.volume import ImageVolumeSource
from fairlead.node.env.references import References, RequestedImage
from fairlead.node.runtime.files.imageroot import mount_layers
from fairlead.node.volumes.atomicwriter import write_file
from fairlead.node.volumes.contents import VolumeProblem
from fairlead.node.volumes.plugin import VolumePlugin, VolumeSite


def _requested(source: ImageVolumeSource) -> RequestedImage:
    return RequestedImage(source.reference, source.pullPolicy)


def set_up(source: ImageVolumeSource, site: VolumeSite) -> str:
    layers = site.sources.images.get(_requested(source))
    if layers is None:
        raise VolumeProblem(f"image {source.reference} is not available")
    if not os.path.ismount(site.root):
        os.makedirs(site.root, exist_ok=True)
        _write_layers(site.root, layers)
        mount_layers(layers, site.root)
    return site.root


def _write_layers(root: str, layers: Sequence[str]) -> None:
    """Protects the layers of a volume from `fairlead image prune` as long as the Pod has its directory."""
    volumes, name = os.path.split(root)
    folder = f"{os.path.dirname(volumes)}/layers"
    os.makedirs(folder, exist_ok=True)
    write_file(f"{folder}/{name}", "".join(f"{layer}\n" for layer in layers).encode(), 0o600)


def _add(source: ImageVolumeSource, references: References) -> None:
    references.images.add(_requested(source))


IMAGE_VOLUME = VolumePlugin(field="image", set_up=set_up, add_references=_add, read_only=True)

"""The files of an image as a volume: read-only, without execution, as upstream mounts them."""

from __future__ import annotations

import os

from fairlead.api.core.pod.volumes.volume import ImageVolumeSource
from fairlead.node.env.references import References, RequestedImage
from fairlead.node.runtime.files.imageroot import mount_layers
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
        mount_layers(layers, site.root)
    return site.root


def _add(source: ImageVolumeSource, references: References) -> None:
    references.images.add(_requested(source))


IMAGE_VOLUME = VolumePlugin(field="image", set_up=set_up, add_references=_add, read_only=True)

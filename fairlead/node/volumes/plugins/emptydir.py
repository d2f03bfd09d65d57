"""A directory of the pod's own, on the disk or in memory. It is made once and goes with the pod."""

from __future__ import annotations

import os

from fairlead.api.core.pod.volumes.volume import EmptyDirVolumeSource
from fairlead.machinery.values.quantity import whole
from fairlead.net import linux
from fairlead.node.volumes.atomicwriter import set_group
from fairlead.node.volumes.plugin import VolumePlugin, VolumeSite


def set_up(source: EmptyDirVolumeSource, site: VolumeSite) -> str:
    root, group = site.root, site.group
    in_memory = source.medium == "Memory"
    # The directory of a volume in memory outlives its content, if the node or a snapshot has been restored.
    if os.path.ismount(root) if in_memory else os.path.isdir(root):
        return root
    os.makedirs(root, exist_ok=True)
    os.chmod(root, 0o777)
    if in_memory:
        size = f",size={whole(str(source.sizeLimit))}" if source.sizeLimit else ""
        linux.mount("emptydir", root, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, f"mode=1777{size}")
    if group is not None:
        set_group(root, group)
        os.chmod(root, 0o2777)
    return root


EMPTY_DIR_VOLUME = VolumePlugin(field="emptyDir", set_up=set_up)

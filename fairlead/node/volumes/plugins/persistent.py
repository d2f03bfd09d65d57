"""Directories that outlive pods: those of the built-in provisioner, and `local` volumes.

The pod's fsGroup applies to both, as to volumes that upstream's kubelet manages.
"""

from __future__ import annotations

import os

from fairlead.node.volumes.contents import VolumeProblem
from fairlead.node.volumes.plugin import VolumePlugin, VolumeSite
from fairlead.node.volumes.plugins.hostpath import set_up_host_path


def _directory(path: str, _site: VolumeSite) -> str:
    """Returns the path: the provisioner has made it. A missing one is not made again, since that would hide the loss
    of the data."""
    if not os.path.isdir(path) or os.path.islink(path):
        raise VolumeProblem(f"{path} does not exist: the data of the volume is gone, so delete its claim")
    return path


def _local(path: str, site: VolumeSite) -> str:
    if not os.path.exists(path):
        raise VolumeProblem(f'path "{path}" does not exist')
    if not os.path.isdir(path):
        raise VolumeProblem(f'path "{path}" is not a directory, and fairlead\'s nodes cannot mount devices')
    return set_up_host_path(path, "Directory", site)


DIRECTORY_VOLUME = VolumePlugin(field="hostPath", set_up=_directory, has_group=True)
LOCAL_VOLUME = VolumePlugin(field="local", set_up=_local, host_path_type=lambda _path: "Directory", has_group=True)

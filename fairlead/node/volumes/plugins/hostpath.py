"""A path of the host. It is checked here for an event, and again by each container that mounts it."""

from __future__ import annotations

import os

from fairlead.api.core.pod.volumes.volume import HostPathVolumeSource
from fairlead.node.runtime.files.hostpath import open_host_path
from fairlead.node.runtime.files.safepath import PathProblem
from fairlead.node.volumes.contents import VolumeProblem
from fairlead.node.volumes.plugin import VolumePlugin, VolumeSite


def set_up(source: HostPathVolumeSource, site: VolumeSite) -> str:
    return set_up_host_path(source.path, source.type or "", site)


def set_up_host_path(path: str, kind: str, site: VolumeSite) -> str:
    """Creates a missing path if its type says so. Raises VolumeProblem with upstream's text."""
    masked = [os.path.realpath(hidden) for hidden in site.masked_paths]
    try:
        os.close(open_host_path(path, kind, masked, site.node_root))
    except PathProblem as error:
        raise VolumeProblem(str(error)) from error
    return path


HOST_PATH_VOLUME = VolumePlugin(field="hostPath", set_up=set_up, host_path_type=lambda source: source.type or "")

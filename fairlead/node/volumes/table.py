"""The volume types that these nodes have: the only list of them."""

from __future__ import annotations

from typing import Any

from fairlead.api.core.pod.volumes.volume import EmptyDirVolumeSource, Volume
from fairlead.node.volumes.contents import VolumeProblem
from fairlead.node.volumes.plugin import VolumePlugin
from fairlead.node.volumes.plugins.configmap import CONFIG_MAP_VOLUME
from fairlead.node.volumes.plugins.downwardapi import DOWNWARD_API_VOLUME
from fairlead.node.volumes.plugins.emptydir import EMPTY_DIR_VOLUME
from fairlead.node.volumes.plugins.hostpath import HOST_PATH_VOLUME
from fairlead.node.volumes.plugins.image import IMAGE_VOLUME
from fairlead.node.volumes.plugins.projected import PROJECTED_VOLUME
from fairlead.node.volumes.plugins.secret import SECRET_VOLUME

VOLUME_PLUGINS = (
    EMPTY_DIR_VOLUME,
    HOST_PATH_VOLUME,
    CONFIG_MAP_VOLUME,
    SECRET_VOLUME,
    PROJECTED_VOLUME,
    DOWNWARD_API_VOLUME,
    IMAGE_VOLUME,
)
CLAIMED = ("persistentVolumeClaim", "ephemeral")
"""Volumes of claims, which are mounted as their PersistentVolumes say (`claimed`)."""
SUPPORTED = (*(plugin.field for plugin in VOLUME_PLUGINS), *CLAIMED)


def plugin_of(volume: Volume) -> tuple[VolumePlugin, Any]:
    """Returns the volume's type and its source; a volume without a source is an emptyDir. Raises VolumeProblem for a
    type that these nodes cannot mount."""
    fields = (name for name in volume.__struct_fields__ if name != "name" and getattr(volume, name) is not None)
    field = next(fields, "")
    if not field:
        return EMPTY_DIR_VOLUME, EmptyDirVolumeSource()
    plugin = next((plugin for plugin in VOLUME_PLUGINS if plugin.field == field), None)
    if plugin is None:
        raise VolumeProblem(f"{field} volumes are not supported by fairlead's nodes: use {', '.join(SUPPORTED)}")
    return plugin, getattr(volume, field)

"""The values of a config map as files."""

from __future__ import annotations

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.volumes.volume_projected import ConfigMapProjection, ConfigMapVolumeSource
from fairlead.node.env.references import References
from fairlead.node.volumes.contents import Files, VolumeSources, mode_of, selected
from fairlead.node.volumes.plugin import Projection, api_volume


def _projected(
    source: ConfigMapProjection | ConfigMapVolumeSource, _pod: Pod, mode: int, sources: VolumeSources
) -> Files:
    values, what = sources.data.config_map(source.name), f'configmap "{source.name}"'
    return selected(values, source.items, mode, what=what, optional=source.optional)


def files(source: ConfigMapVolumeSource, pod: Pod, sources: VolumeSources) -> Files:
    return _projected(source, pod, mode_of(source.defaultMode), sources)


def _add_references(source: ConfigMapProjection | ConfigMapVolumeSource, references: References) -> None:
    references.config_maps.add(source.name)


CONFIG_MAP_VOLUME = api_volume("configMap", files, _add_references)
CONFIG_MAP_PROJECTION = Projection(field="configMap", files=_projected, add_references=_add_references)

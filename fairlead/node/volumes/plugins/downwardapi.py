"""Fields of the pod itself as files."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api.core.pod.containers.env import ResourceFieldSelector
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.volumes.volume_projected import (
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
)
from fairlead.machinery.values.quantity import parse_quantity
from fairlead.node.env.fields import FieldProblem, resource_value, value_of
from fairlead.node.volumes.contents import File, Files, VolumeProblem, VolumeSources, mode_of
from fairlead.node.volumes.plugin import Projection, api_volume, no_references


def files(source: DownwardAPIVolumeSource, pod: Pod, sources: VolumeSources) -> Files:
    return _files(source.items, pod, mode_of(source.defaultMode), sources)


def _projected(source: DownwardAPIProjection, pod: Pod, mode: int, sources: VolumeSources) -> Files:
    return _files(source.items, pod, mode, sources)


def _files(items: Sequence[DownwardAPIVolumeFile], pod: Pod, mode: int, sources: VolumeSources) -> Files:
    result: Files = {}
    for item in items:
        try:
            if item.fieldRef:
                text = value_of(pod, item.fieldRef.fieldPath)
            elif item.resourceFieldRef:
                text = _resource(pod, item.resourceFieldRef, sources)
            else:
                continue
        except FieldProblem as error:
            raise VolumeProblem(str(error)) from error
        result[item.path] = File(text.encode(), mode if item.mode is None else item.mode)
    return result


def _resource(pod: Pod, ref: ResourceFieldSelector, sources: VolumeSources) -> str:
    containers = (*pod.spec.containers, *pod.spec.initContainers)
    container = next((c for c in containers if c.name == ref.containerName), None)
    if container is None:
        raise FieldProblem(f"container {ref.containerName} not found")
    divisor = str(ref.divisor or "1")
    unit = parse_quantity(divisor if divisor != "0" else "1")
    return resource_value(container, ref.resource, unit, sources.allocatable)


DOWNWARD_API_VOLUME = api_volume("downwardAPI", files, no_references)
DOWNWARD_API_PROJECTION = Projection(field="downwardAPI", files=_projected)

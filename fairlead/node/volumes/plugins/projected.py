"""Several sources from the API in one volume."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.volumes.volume_projected import ProjectedVolumeSource
from fairlead.node.env.references import References
from fairlead.node.volumes.contents import Files, VolumeProblem, VolumeSources, mode_of
from fairlead.node.volumes.plugin import Projection, api_volume
from fairlead.node.volumes.plugins.configmap import CONFIG_MAP_PROJECTION
from fairlead.node.volumes.plugins.downwardapi import DOWNWARD_API_PROJECTION
from fairlead.node.volumes.plugins.secret import SECRET_PROJECTION
from fairlead.node.volumes.plugins.serviceaccounttoken import TOKEN_PROJECTION

PROJECTIONS = (CONFIG_MAP_PROJECTION, SECRET_PROJECTION, DOWNWARD_API_PROJECTION, TOKEN_PROJECTION)


def files(source: ProjectedVolumeSource, pod: Pod, sources: VolumeSources) -> Files:
    mode, result = mode_of(source.defaultMode), Files()
    for projection, value in _projections(source):
        if projection is None:
            raise VolumeProblem("this projected source is not supported by fairlead's nodes")
        result |= projection.files(value, pod, mode, sources)
    return result


def _projections(source: ProjectedVolumeSource) -> Iterator[tuple[Projection | None, Any]]:
    """Yields each part with its value; None for a part of a kind that is not supported."""
    for part in source.sources:
        known = ((p, getattr(part, p.field)) for p in PROJECTIONS)
        yield next(((p, value) for p, value in known if value is not None), (None, None))


def _add_references(source: ProjectedVolumeSource, references: References) -> None:
    for projection, value in _projections(source):
        if projection is not None:
            projection.add_references(value, references)


PROJECTED_VOLUME = api_volume("projected", files, _add_references)

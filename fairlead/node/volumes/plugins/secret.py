"""The values of a secret as files."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.volumes.volume_projected import KeyToPath, SecretProjection, SecretVolumeSource
from fairlead.node.volumes.contents import Files, VolumeSources, mode_of, selected
from fairlead.node.volumes.plugin import Projection, api_volume


def _files(name: str, items: Sequence[KeyToPath], mode: int, sources: VolumeSources, *, optional: bool | None) -> Files:
    return selected(sources.data.secret(name), items, mode, what=f'secret "{name}"', optional=optional)


def files(source: SecretVolumeSource, _pod: Pod, sources: VolumeSources) -> Files:
    mode = mode_of(source.defaultMode)
    return _files(source.secretName, source.items, mode, sources, optional=source.optional)


def _projected(source: SecretProjection, _pod: Pod, mode: int, sources: VolumeSources) -> Files:
    return _files(source.name, source.items, mode, sources, optional=source.optional)


SECRET_VOLUME = api_volume("secret", files, lambda source, references: references.secrets.add(source.secretName))
SECRET_PROJECTION = Projection(
    field="secret",
    files=_projected,
    add_references=lambda source, references: references.secrets.add(source.name),
)

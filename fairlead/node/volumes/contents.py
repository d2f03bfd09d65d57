"""Files of volumes as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.api.core.pod.volumes.volume_projected import KeyToPath
from fairlead.base.dataclass import dataclass, field
from fairlead.node.env.references import ConfigData, RequestedImage, RequestedToken

_DEFAULT_MODE = 0o644


class VolumeProblem(Exception):
    """The volume cannot be set up, now or ever; the text goes into a FailedMount event."""


@dataclass(frozen=True, slots=True)
class File:
    data: bytes
    mode: int


Files = dict[str, File]
"""Files by their path below the volume's root."""


@dataclass(frozen=True, slots=True)
class VolumeSources:
    """The sources that fill volumes."""

    data: ConfigData
    tokens: Mapping[RequestedToken, str]
    allocatable: Mapping[str, str]
    images: Mapping[RequestedImage, Sequence[str]] = field(default_factory=dict)
    """The directories of each image's layers, the lowest first."""


def mode_of(mode: int | None) -> int:
    """Returns a source's `defaultMode`, or its default."""
    return _DEFAULT_MODE if mode is None else mode


def selected(
    values: Mapping[str, bytes] | None, items: Sequence[KeyToPath], mode: int, *, what: str, optional: bool | None
) -> Files:
    """Returns the files of a config map or secret: all keys, or those of `items`. Raises VolumeProblem."""
    if values is None:
        if optional:
            return {}
        raise VolumeProblem(f"{what} not found")
    if not items:
        return {key: File(value, mode) for key, value in values.items()}
    files: Files = {}
    for item in items:
        if item.key in values:
            files[item.path] = File(values[item.key], mode if item.mode is None else item.mode)
        elif not optional:
            raise VolumeProblem(f"{what} references non-existent config key: {item.key}")
    return files

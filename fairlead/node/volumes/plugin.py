"""The interface of a volume type: a VolumePlugin, declared once in `plugins`, found by `table`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fairlead.api.core.pod.kind import Pod
from fairlead.base.dataclass import dataclass
from fairlead.node.env.references import References
from fairlead.node.volumes.atomicwriter import write_volume
from fairlead.node.volumes.contents import Files, VolumeSources


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSite:
    """One volume of a pod on the node."""

    pod: Pod
    root: str
    """The volume's own directory, if its type needs one."""
    sources: VolumeSources
    stamp: str
    """The present time, for the names of new versions."""
    masked_paths: Sequence[str]
    """Host paths that no pod may see."""
    node_root: str = ""
    """The folder with the node's /var/log (`hostpath.NODE_ROOT`)."""

    @property
    def group(self) -> int | None:
        """Returns the pod's fsGroup."""
        return self.pod.spec.securityContext.fsGroup if self.pod.spec.securityContext else None


AddReferences = Callable[[Any, References], None]
FilesOf = Callable[[Any, Pod, int, VolumeSources], Files]
"""Returns a source's files, with the default mode. Raises VolumeProblem."""


def no_references(_source: Any, _references: References) -> None:
    """Does nothing: the type reads nothing from the API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumePlugin:
    """One volume type. `source` is always the value of the field `field` of a Volume."""

    field: str
    set_up: Callable[[Any, VolumeSite], str]
    """Makes or refreshes the volume; returns its root on the host. Raises VolumeProblem, OSError."""
    from_api: bool = False
    """Its files follow the API as long as the pod runs."""
    read_only: bool = False
    """Containers may not write the files, whatever the manifest says."""
    add_references: AddReferences = no_references
    host_path_type: Callable[[Any], str | None] = lambda _source: None
    """The type of a path on the host that each mount checks anew; None: the volume is the pod's own."""
    has_group: bool = False
    """The pod's fsGroup gets the files that are there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """A source that can be projected: `field` is that of a VolumeProjection."""

    field: str
    files: FilesOf
    add_references: AddReferences = no_references


def api_volume(
    field: str, files: Callable[[Any, Pod, VolumeSources], Files], references: AddReferences
) -> VolumePlugin:
    """Returns a volume type whose files come from the API."""

    def set_up(source: Any, site: VolumeSite) -> str:
        return write_volume(site.root, files(source, site.pod, site.sources), stamp=site.stamp, group=site.group)

    return VolumePlugin(field=field, set_up=set_up, from_api=True, read_only=True, add_references=references)

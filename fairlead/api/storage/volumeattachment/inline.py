"""Checks of a volume that stands inside an attachment. Source: upstream's validation of inline persistent volumes."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.persistentvolume.rules import source_errors
from fairlead.api.core.persistentvolume.types import PersistentVolumeSpec
from fairlead.api.core.pod.volumes.claim_rules import access_mode_errors
from fairlead.machinery.values.status import FieldError, forbidden, required

_CONTEXT = "in the context of inline volumes"
_FORBIDDEN = ("claimRef", "capacity", "nodeAffinity", "storageClassName")


def inline_errors(spec: PersistentVolumeSpec, path: str) -> Iterator[FieldError]:
    for name in _FORBIDDEN:
        if getattr(spec, name):
            yield forbidden(f"{path}.{name}", f"may not be specified {_CONTEXT}")
    if spec.csi is None:
        yield required(f"{path}.csi", f"has to be specified {_CONTEXT}")
    if not spec.accessModes:
        yield required(f"{path}.accessModes")
    yield from access_mode_errors(spec.accessModes, f"{path}.accessModes")
    if spec.persistentVolumeReclaimPolicy not in ("", "Retain"):
        yield forbidden(f"{path}.persistentVolumeReclaimPolicy", f"may only be Retain {_CONTEXT}")
    yield from source_errors(spec, path, "")
    if spec.volumeMode not in (None, "Filesystem"):
        yield forbidden(f"{path}.volumeMode", f"may not specify volumeMode other than Filesystem {_CONTEXT}")

"""Facts that volumes and claims share: access modes in columns, and the old annotation of the storage class."""

from __future__ import annotations

from collections.abc import Sequence

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
OLD_CLASS = 'deprecated since v1.8; use "storageClassName" attribute instead'
_SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def render_access_modes(modes: Sequence[str]) -> str:
    """Renders access modes as `RWO,ROX`, always in the same order."""
    return ",".join(short for mode, short in _SHORT.items() if mode in modes)

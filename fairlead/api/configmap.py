"""A config map: settings as texts under keys."""

from __future__ import annotations

from fairlead.api.meta import Base64, Object
from fairlead.machinery.kind import Kind


class ConfigMap(Object):
    binaryData: dict[str, Base64] = {}
    data: dict[str, str] = {}
    immutable: bool | None = None


CONFIG_MAP = Kind(
    type=ConfigMap,
    kind="ConfigMap",
    plural="configmaps",
    singular="configmap",
    short_names=("cm",),
)

"""A config map: settings as texts under keys."""

from __future__ import annotations

from fairlead.api.columns import AGE, NAME
from fairlead.api.meta import Base64, Object
from fairlead.machinery.kind import Column, Kind


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
    columns=(
        NAME,
        Column("Data", lambda found, _: len(found.data) + len(found.binaryData), doc="How many keys it has."),
        AGE,
    ),
)

"""The ConfigMap kind: configuration values by key."""

from collections.abc import Iterator
from typing import Annotated

from fairlead.api.core.data_rules import canonicalize_base64, immutable_data_errors, key_errors, size_errors
from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.types import Base64, Object
from fairlead.machinery.kinds.kind import Column, Doc, Kind
from fairlead.machinery.values.status import FieldError, invalid


class ConfigMap(Object):
    """Configuration values by key, which pods read as environment variables or as files."""

    binaryData: Annotated[
        dict[str, Base64], Doc("Binary values by key, in base64; a key may not occur in `data` as well.")
    ] = {}
    data: Annotated[
        dict[str, str], Doc("Values by key, as UTF-8 text; a key may not occur in `binaryData` as well.")
    ] = {}
    immutable: (
        Annotated[bool, Doc("Set to true to forbid later changes of the data; the field cannot be reset to false.")]
        | None
    ) = None


def _default(config_map: ConfigMap) -> ConfigMap:
    canonicalize_base64(config_map.binaryData)
    return config_map


def _rules(config_map: ConfigMap) -> Iterator[FieldError]:
    yield from key_errors(config_map.data, "data")
    yield from key_errors(config_map.binaryData, "binaryData")
    for key in sorted(config_map.data.keys() & config_map.binaryData.keys()):
        yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    yield from size_errors(config_map.data, config_map.binaryData)


def _transition(old: ConfigMap, new: ConfigMap) -> Iterator[FieldError]:
    yield from immutable_data_errors(old, new, ("data", "binaryData"))


CONFIG_MAP = Kind(
    type=ConfigMap,
    kind="ConfigMap",
    plural="configmaps",
    singular="configmap",
    short_names=("cm",),
    default=_default,
    rules=_rules,
    transition=_transition,
    columns=(
        NAME,
        Column(
            "Data",
            lambda found, _: len(found.data) + len(found.binaryData),
            doc="Number of keys in data, including keys with binary values.",
        ),
        AGE,
    ),
)

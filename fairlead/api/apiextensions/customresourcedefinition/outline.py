"""A definition without its schemas, which are nearly all of its size: names, versions and status."""

from __future__ import annotations

import msgspec

from fairlead.api.apiextensions.customresourcedefinition.types import (
    CustomResourceColumnDefinition,
    CustomResourceConversion,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionStatus,
    CustomResourceSubresources,
    SelectableField,
)
from fairlead.api.meta.types import ObjectMeta


class VersionOutline(msgspec.Struct, kw_only=True):
    """A version without its schema."""

    name: str = ""
    served: bool = False
    storage: bool = False
    deprecated: bool = False
    deprecationWarning: str | None = None
    subresources: CustomResourceSubresources | None = None
    additionalPrinterColumns: list[CustomResourceColumnDefinition] = []
    selectableFields: list[SelectableField] = []


class SpecOutline(msgspec.Struct, kw_only=True):
    """The spec without schemas."""

    group: str = ""
    names: CustomResourceDefinitionNames = msgspec.field(default_factory=CustomResourceDefinitionNames)
    scope: str = ""
    versions: list[VersionOutline] = []
    conversion: CustomResourceConversion | None = None


class Outline(msgspec.Struct, kw_only=True):
    """A definition without schemas."""

    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    spec: SpecOutline = msgspec.field(default_factory=SpecOutline)
    status: CustomResourceDefinitionStatus = msgspec.field(default_factory=CustomResourceDefinitionStatus)


_decoder = msgspec.json.Decoder(Outline)


def outline_of(raw: bytes) -> Outline:
    """Reads the bytes of a definition; schemas are skipped."""
    return _decoder.decode(raw)

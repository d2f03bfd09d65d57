"""The VolumeAttributesClass kind: attributes of volumes that can be changed later; stored for clients."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.types import Object
from fairlead.api.storage.names import parameter_errors, provisioner_errors
from fairlead.machinery.kinds.kind import Column, Doc, Required, Strategy
from fairlead.machinery.values.status import FieldError, forbidden


class VolumeAttributesClass(Object):
    """Class of attributes of volumes, such as their speed, which a claim may change after its volume was made."""

    driverName: Annotated[
        str, Required(), Doc("Name of the CSI driver that understands the parameters; immutable.")
    ] = msgspec.field(default_factory=str)
    parameters: Annotated[
        dict[str, str], Doc("Attributes that the driver is given, at least one; immutable, so make another class.")
    ] = {}


def _rules(volume_attributes_class: VolumeAttributesClass) -> Iterator[FieldError]:
    yield from provisioner_errors(volume_attributes_class.driverName, "driverName")
    yield from parameter_errors(volume_attributes_class.parameters, "parameters", may_be_empty=False)


def _transition(old: VolumeAttributesClass, new: VolumeAttributesClass) -> Iterator[FieldError]:
    if old.driverName != new.driverName:
        yield forbidden("driverName", "updates to driverName are forbidden.")
    if old.parameters != new.parameters:
        yield forbidden("parameters", "updates to parameters are forbidden.")


STRATEGY: Strategy[VolumeAttributesClass] = Strategy(
    type=VolumeAttributesClass,
    columns=(
        NAME,
        Column(
            "DriverName",
            lambda found, _: found.driverName,
            doc="Name of the CSI driver that understands the parameters.",
        ),
        AGE,
    ),
    rules=_rules,
    transition=_transition,
)

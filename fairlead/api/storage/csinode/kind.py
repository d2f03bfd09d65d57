"""The CSINode kind: the CSI drivers that are installed on a node. The cluster runs none; clients read the objects."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.rules import not_negative, unchanged
from fairlead.api.meta.types import BY_NAME, Int32, Object, Record, Strings, empty_list
from fairlead.api.storage.names import driver_name_errors
from fairlead.machinery.kinds.kind import Column, Doc, Required, Strategy
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, invalid, required

_NODE_ID_MAX = 256


class VolumeNodeResources(Record):
    """Limits on the volumes of one driver on a node."""

    count: (
        Annotated[Int32, Doc("Greatest number of different volumes of the driver on the node; unlimited if absent.")]
        | None
    ) = None


class CSINodeDriver(Record):
    """CSI driver that is installed on a node."""

    name: Annotated[
        str, Required(), Doc("Name of the driver, as the driver itself reports it; unique in the list.")
    ] = msgspec.field(default_factory=str)
    nodeID: Annotated[
        str, Required(), Doc("Name of the node as the driver's storage system knows it, at most 256 bytes.")
    ] = msgspec.field(default_factory=str)
    topologyKeys: Annotated[Strings, Doc("Keys of the node labels that describe the driver's topology.")] = (
        msgspec.field(default_factory=empty_list)
    )
    allocatable: (
        Annotated[VolumeNodeResources, Doc("Limits on the driver's volumes on the node, for the scheduler.")] | None
    ) = None


class CSINodeSpec(Record):
    """List of the CSI drivers on a node."""

    drivers: Annotated[
        list[CSINodeDriver], BY_NAME, Doc("Drivers that are installed on the node; an entry never changes.")
    ] = msgspec.field(default_factory=empty_list)


class CSINode(Object):
    """CSI drivers on a node; the object has the name of the node."""

    spec: Annotated[CSINodeSpec, Doc("List of the drivers that are installed on the node.")] = msgspec.field(
        default_factory=CSINodeSpec
    )


def _rules(node: CSINode) -> Iterator[FieldError]:
    known: set[str] = set()
    for i, driver in enumerate(node.spec.drivers):
        path = f"spec.drivers[{i}]"
        yield from _driver_errors(driver, path)
        if driver.name in known:
            yield duplicate(f"{path}.name", driver.name)
        known.add(driver.name)
        yield from _key_errors(driver.topologyKeys, path)


def _driver_errors(driver: CSINodeDriver, path: str) -> Iterator[FieldError]:
    yield from driver_name_errors(driver.name, f"{path}.name")
    if len(driver.nodeID.encode()) > _NODE_ID_MAX:
        yield invalid(f"{path}.nodeID", driver.nodeID, f"must be {_NODE_ID_MAX} characters or less")
    if driver.allocatable is not None:
        yield from not_negative(driver.allocatable.count, f"{path}.allocatable.count")


def _key_errors(keys: list[str], path: str) -> Iterator[FieldError]:
    known: set[str] = set()
    for key in keys:
        if not key:
            yield required(path)
        if key in known:
            yield duplicate(path, key)
        known.add(key)
        for text in names.qualified_name(key):
            yield invalid(path, key, text)


def _transition(old: CSINode, new: CSINode) -> Iterator[FieldError]:
    for before in old.spec.drivers:
        for after in new.spec.drivers:
            if before.name == after.name:
                same = msgspec.structs.replace(before, allocatable=None)
                yield from unchanged(same, msgspec.structs.replace(after, allocatable=None), "spec.drivers")


STRATEGY: Strategy[CSINode] = Strategy(
    type=CSINode,
    unconditional_update=False,
    columns=(
        NAME,
        Column(
            "Drivers",
            lambda node, _: len(node.spec.drivers),
            type="integer",
            doc="Number of CSI drivers that are installed on the node.",
        ),
        AGE,
    ),
    rules=_rules,
    transition=_transition,
)

"""The CSIStorageCapacity kind: free space for a storage class in a part of the cluster; stored for clients."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.core.amounts import canonical_text, value
from fairlead.api.core.topology.types import OLD_NODE_LABELS
from fairlead.api.meta.columns import CREATED_AT, NAME
from fairlead.api.meta.rules import NOT_NEGATIVE, label_selector
from fairlead.api.meta.types import LabelSelector, Object, Quantity
from fairlead.machinery.kinds.kind import Doc, Immutable, Strategy
from fairlead.machinery.values import names, quantity
from fairlead.machinery.values.status import FieldError, invalid


class CSIStorageCapacity(Object):
    """Free space for volumes of a storage class on some nodes, as a CSI driver reported it."""

    nodeTopology: (
        Annotated[
            LabelSelector,
            Immutable(),
            Doc("Label selector of the nodes that can reach the storage; no node if absent; immutable."),
        ]
        | None
    ) = None
    storageClassName: Annotated[
        str, Immutable(), Doc("Name of the StorageClass that the report is about; immutable.")
    ] = msgspec.field(default_factory=str)
    capacity: Annotated[Quantity, Doc("Free space in bytes; unknown if absent.")] | None = None
    maximumVolumeSize: (
        Annotated[Quantity, Doc("Greatest size of a single volume in bytes; unknown if absent.")] | None
    ) = None


def _default(capacity: CSIStorageCapacity) -> CSIStorageCapacity:
    if capacity.capacity is not None:
        capacity.capacity = canonical_text(capacity.capacity)
    if capacity.maximumVolumeSize is not None:
        capacity.maximumVolumeSize = canonical_text(capacity.maximumVolumeSize)
    return capacity


def _rules(capacity: CSIStorageCapacity) -> Iterator[FieldError]:
    if capacity.nodeTopology is not None:
        yield from label_selector(capacity.nodeTopology, "nodeTopology")
    for text in names.dns1123_subdomain(capacity.storageClassName):
        yield invalid("storageClassName", capacity.storageClassName, text)
    for path, amount in (("capacity", capacity.capacity), ("maximumVolumeSize", capacity.maximumVolumeSize)):
        for text in quantity.texts(str(amount)) if amount is not None else ():
            yield invalid(path, str(amount), text)
    if capacity.capacity is not None and value(str(capacity.capacity)) < 0:
        yield invalid("capacity", str(capacity.capacity), NOT_NEGATIVE)


def _warnings(capacity: CSIStorageCapacity) -> Iterator[str]:
    selector = capacity.nodeTopology or LabelSelector()
    for i, need in enumerate(selector.matchExpressions):
        if text := OLD_NODE_LABELS.get(need.key):
            yield f"nodeTopology.matchExpressions[{i}].key: {need.key} is {text}"
    for label in selector.matchLabels:
        if text := OLD_NODE_LABELS.get(label):
            yield f"nodeTopology.matchLabels.{label}: {text}"


STRATEGY: Strategy[CSIStorageCapacity] = Strategy(
    type=CSIStorageCapacity,
    unconditional_update=False,
    columns=(NAME, CREATED_AT),
    default=_default,
    rules=_rules,
    warnings=_warnings,
)

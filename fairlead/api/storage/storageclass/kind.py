"""The StorageClass kind: the provisioner that makes volumes for claims, and its parameters."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.core.topology.types import OLD_NODE_LABELS, TopologySelectorTerm, topology_errors
from fairlead.api.meta.columns import AGE
from fairlead.api.meta.types import Object, Strings
from fairlead.api.storage.names import parameter_errors, provisioner_errors
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Immutable, OneOf, Required, Strategy
from fairlead.machinery.values.status import FieldError, not_supported

DEFAULT_ANNOTATION = "storageclass.kubernetes.io/is-default-class"
"""Annotation with the value `true` on the class of claims that name none."""
_BETA_ANNOTATION = "storageclass.beta.kubernetes.io/is-default-class"
_MODES = ("Immediate", "WaitForFirstConsumer")


class StorageClass(Object):
    """Class of storage: the provisioner of new volumes for claims, and its parameters."""

    provisioner: Annotated[
        str, Required(), Immutable(), Doc("Name of the driver that makes volumes for claims of the class; immutable.")
    ] = msgspec.field(default_factory=str)
    parameters: Annotated[
        dict[str, str], Immutable(), Doc("Parameters that the provisioner is given for a new volume; immutable.")
    ] = {}
    reclaimPolicy: (
        Annotated[
            str,
            OneOf("Delete", "Retain"),
            Immutable(),
            Doc("Fate of a volume of the class after its claim is deleted: Delete (default) or Retain; immutable."),
        ]
        | None
    ) = None
    mountOptions: Annotated[
        Strings, Doc("Mount options of the volumes of the class; not checked, a wrong option makes the mount fail.")
    ] = []
    allowVolumeExpansion: (
        Annotated[bool, Doc("True if claims of the class may be enlarged after their volume was made.")] | None
    ) = None
    volumeBindingMode: (
        Annotated[
            str,
            Immutable(),
            Doc(
                "Time at which a claim gets its volume: Immediate (default), or WaitForFirstConsumer to wait for a pod "
                "that uses the claim; immutable."
            ),
        ]
        | None
    ) = None
    allowedTopologies: Annotated[
        list[TopologySelectorTerm],
        Atomic(),
        Doc("Topologies in which volumes may be made; an empty list means no restriction."),
    ] = []


def is_default(storage_class: StorageClass) -> bool:
    """Returns whether the class is the default of claims that name no class."""
    annotations = storage_class.metadata.annotations
    return annotations.get(DEFAULT_ANNOTATION) == "true" or annotations.get(_BETA_ANNOTATION) == "true"


def _default(storage_class: StorageClass) -> StorageClass:
    if storage_class.reclaimPolicy is None:
        storage_class.reclaimPolicy = "Delete"
    if storage_class.volumeBindingMode is None:
        storage_class.volumeBindingMode = "Immediate"
    return storage_class


def _rules(storage_class: StorageClass) -> Iterator[FieldError]:
    yield from provisioner_errors(storage_class.provisioner, "provisioner")
    yield from parameter_errors(storage_class.parameters, "parameters", may_be_empty=True)
    if storage_class.volumeBindingMode not in _MODES:
        yield not_supported("volumeBindingMode", storage_class.volumeBindingMode, _MODES)
    yield from topology_errors(storage_class.allowedTopologies, "allowedTopologies")


def _warnings(storage_class: StorageClass) -> Iterator[str]:
    for i, term in enumerate(storage_class.allowedTopologies):
        for j, need in enumerate(term.matchLabelExpressions):
            if text := OLD_NODE_LABELS.get(need.key):
                yield f"allowedTopologies[{i}].matchLabelExpressions[{j}].key: {text}"


def _name(storage_class: StorageClass, _: Instant) -> str:
    return storage_class.metadata.name + (" (default)" if is_default(storage_class) else "")


STRATEGY: Strategy[StorageClass] = Strategy(
    type=StorageClass,
    columns=(
        Column("Name", _name, format="name", doc="Name of the class, marked if the class is the default."),
        Column(
            "Provisioner",
            lambda found, _: found.provisioner,
            doc="Name of the driver that makes volumes of the class.",
        ),
        Column(
            "ReclaimPolicy",
            lambda found, _: found.reclaimPolicy or "Delete",
            doc="Fate of a volume after its claim is deleted.",
        ),
        Column(
            "VolumeBindingMode",
            lambda found, _: found.volumeBindingMode or "Immediate",
            doc="Time at which a claim of the class gets its volume.",
        ),
        Column(
            "AllowVolumeExpansion",
            lambda found, _: bool(found.allowVolumeExpansion),
            doc="True if claims of the class may be enlarged.",
        ),
        AGE,
    ),
    default=_default,
    rules=_rules,
    warnings=_warnings,
)

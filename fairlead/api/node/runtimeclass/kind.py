"""The RuntimeClass kind: a way to run containers, with its cost. Nodes run all classes in the same way."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.core.amounts import canonicalize
from fairlead.api.core.pod.containers.container import ResourceRequirements
from fairlead.api.core.pod.containers.resource_rules import resource_errors
from fairlead.api.core.pod.placement.affinity import Toleration
from fairlead.api.core.pod.placement.affinity_rules import toleration_errors
from fairlead.api.core.topology.types import OLD_NODE_LABELS
from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.types import Labels, Object, Record, Resources
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Immutable, Required, Strategy
from fairlead.machinery.kinds.metadata import check_labels
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, invalid


class Overhead(Record):
    """Resources that a pod of the class needs on top of its containers."""

    podFixed: Annotated[Resources, Doc("Amount of each resource that every pod of the class needs for itself.")] = {}


class Scheduling(Record):
    """Nodes that support the class; copied into the pods of the class."""

    nodeSelector: Annotated[
        Labels, Atomic(), Doc("Labels of the nodes that support the class; merged into the pod's own selector.")
    ] = {}
    tolerations: Annotated[
        list[Toleration], Atomic(), Doc("Tolerations that are added to those of every pod of the class.")
    ] = []


class RuntimeClass(Object):
    """Class of container runtime that pods can refer to."""

    handler: Annotated[
        str,
        Required(),
        Immutable(),
        Doc("Name of the runtime's configuration on the nodes, a DNS label; immutable. Nodes ignore the name."),
    ] = msgspec.field(default_factory=str)
    overhead: (
        Annotated[Overhead, Doc("Resources that each pod of the class needs on top of its containers.")] | None
    ) = None
    scheduling: (
        Annotated[Scheduling, Doc("Constraints on the nodes of the class's pods; every node if absent.")] | None
    ) = None


def _default(runtime_class: RuntimeClass) -> RuntimeClass:
    if runtime_class.overhead is not None:
        canonicalize(runtime_class.overhead.podFixed)
    return runtime_class


def _rules(runtime_class: RuntimeClass) -> Iterator[FieldError]:
    for text in names.dns1123_label(runtime_class.handler) if runtime_class.handler else ():
        yield invalid("handler", runtime_class.handler, text)
    if runtime_class.overhead is not None:
        yield from resource_errors(ResourceRequirements(limits=runtime_class.overhead.podFixed), "overhead")
    if runtime_class.scheduling is not None:
        yield from check_labels(runtime_class.scheduling.nodeSelector, "scheduling.nodeSelector")
        yield from _toleration_errors(runtime_class.scheduling.tolerations, "scheduling.tolerations")


def _toleration_errors(tolerations: list[Toleration], path: str) -> Iterator[FieldError]:
    yield from toleration_errors(tolerations, path)
    known: set[tuple[str, str, str, str]] = set()
    for i, toleration in enumerate(tolerations):
        key = (toleration.key, toleration.operator, toleration.value, toleration.effect)
        if key in known:
            yield duplicate(f"{path}[{i}]", to_tree(toleration))
        known.add(key)


def _warnings(runtime_class: RuntimeClass) -> Iterator[str]:
    for label in runtime_class.scheduling.nodeSelector if runtime_class.scheduling is not None else ():
        if text := OLD_NODE_LABELS.get(label):
            yield f"scheduling.nodeSelector: {text}"


STRATEGY: Strategy[RuntimeClass] = Strategy(
    type=RuntimeClass,
    created_by_update=True,
    unconditional_update=False,
    qualified_finalizers=False,
    columns=(
        NAME,
        Column("Handler", lambda found, _: found.handler, doc="Name of the runtime's configuration on the nodes."),
        AGE,
    ),
    default=_default,
    rules=_rules,
    warnings=_warnings,
)

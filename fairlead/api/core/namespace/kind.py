"""A namespace: where names are unique, and what goes when it goes."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.types import BY_TYPE, Object, ObjectMeta, Record, Strings, Time
from fairlead.machinery.kind import VERBS, Column, Doc, GroupVersionKind, Kind, Subresource


class NamespaceSpec(Record):
    finalizers: Annotated[Strings, Doc("Who must empty it before it may go.")] = []


class NamespaceCondition(Record):
    type: Annotated[str, Doc("What it is about.")] = ""
    status: Annotated[str, Doc("True, False or Unknown.")] = ""
    lastTransitionTime: Annotated[Time, Doc("When it last changed.")] | None = None
    message: Annotated[str, Doc("Why, in a sentence.")] = ""
    reason: Annotated[str, Doc("Why, in a word.")] = ""


class NamespaceStatus(Record):
    conditions: Annotated[list[NamespaceCondition], BY_TYPE, Doc("What is worth knowing about its end.")] = []
    phase: Annotated[str, Doc("Active, or Terminating while it is being emptied.")] = ""


class Namespace(Object):
    """Names are unique within it, and what is in it goes when it goes."""

    spec: Annotated[NamespaceSpec, Doc("What holds it.")] = msgspec.field(default_factory=NamespaceSpec)
    status: Annotated[NamespaceStatus, Doc("What state it is in.")] = msgspec.field(default_factory=NamespaceStatus)


_NAME_LABEL = "kubernetes.io/metadata.name"
_OWN_FINALIZER = "kubernetes"
_INITIAL = ("default", "kube-system", "kube-public", "kube-node-lease")
_UNDELETABLE = ("default", "kube-system", "kube-public")


def _default(namespace: Namespace) -> Namespace:
    if namespace.metadata.name:
        namespace.metadata.labels[_NAME_LABEL] = namespace.metadata.name
    return namespace


def _prepare_create(namespace: Namespace) -> Namespace:
    namespace.status = NamespaceStatus(phase="Active")
    if _OWN_FINALIZER not in namespace.spec.finalizers:
        namespace.spec.finalizers.append(_OWN_FINALIZER)
    return _default(namespace)


def _prepare_update(old: Namespace, new: Namespace) -> Namespace:
    """The finalizers change through the subresource `finalize` alone."""
    new.spec.finalizers = list(old.spec.finalizers)
    return new


def _mark_deleted(namespace: Namespace) -> None:
    namespace.status.phase = "Terminating"


def _initial() -> list[Namespace]:
    return [Namespace(metadata=ObjectMeta(name=name)) for name in _INITIAL]


NAMESPACE = Kind(
    type=Namespace,
    kind="Namespace",
    plural="namespaces",
    cached="object",
    initial=_initial,
    undeletable=dict.fromkeys(_UNDELETABLE, "this namespace may not be deleted"),
    subresources=(Subresource("finalize", GroupVersionKind("", "v1", "Namespace"), ("update",), foreign=False),),
    verbs=tuple(verb for verb in VERBS if verb != "deletecollection"),
    holds_itself=lambda namespace: bool(namespace.spec.finalizers),
    mark_deleted=_mark_deleted,
    singular="namespace",
    short_names=("ns",),
    namespaced=False,
    status=True,
    name_rule="label",
    columns=(
        NAME,
        Column("Status", lambda namespace, _: namespace.status.phase, doc="Active, or on its way out."),
        AGE,
    ),
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    fields={"status.phase": lambda namespace: namespace.status.phase},
)

"""The Namespace kind: a scope for names, deleted together with its objects."""

from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.types import BY_TYPE, Object, ObjectMeta, Record, Strings, Time
from fairlead.machinery.kinds.kind import VERBS, Column, Doc, GroupVersionKind, Kind, Subresource


class NamespaceSpec(Record):
    """Finalizers that must finish before a deleted namespace is removed."""

    finalizers: Annotated[
        Strings, Doc("Names of the finalizers that must be removed before the namespace is deleted from the store.")
    ] = []


class NamespaceCondition(Record):
    """Observation about a namespace, mostly a reason for which its deletion has not finished."""

    type: Annotated[str, Doc("Type of the condition, such as NamespaceDeletionContentFailure.")] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = ""
    lastTransitionTime: Annotated[Time, Doc("Time at which the status of the condition last changed.")] | None = None
    message: Annotated[str, Doc("Human-readable details about the last transition of the condition.")] = ""
    reason: Annotated[str, Doc("Reason of the last transition as one CamelCase word, for programs.")] = ""


class NamespaceStatus(Record):
    """Most recently observed state of a namespace: its phase and its conditions."""

    conditions: Annotated[
        list[NamespaceCondition], BY_TYPE, Doc("Most recent observations of the namespace's deletion.")
    ] = []
    phase: Annotated[
        str, Doc("Phase of the namespace: Active, or Terminating while its objects are being deleted.")
    ] = ""


class Namespace(Object):
    """Scope for object names; deleting a namespace deletes all objects in the namespace."""

    spec: Annotated[NamespaceSpec, Doc("Desired state of the namespace: the finalizers that delay its deletion.")] = (
        msgspec.field(default_factory=NamespaceSpec)
    )
    status: Annotated[NamespaceStatus, Doc("Most recently observed state of the namespace; written by the system.")] = (
        msgspec.field(default_factory=NamespaceStatus)
    )


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
    """Restores the old finalizers; only the `finalize` subresource may change them."""
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
    blocks_deletion=lambda namespace: bool(namespace.spec.finalizers),
    mark_deleted=_mark_deleted,
    singular="namespace",
    short_names=("ns",),
    namespaced=False,
    status=True,
    name_rule="label",
    columns=(
        NAME,
        Column(
            "Status", lambda namespace, _: namespace.status.phase, doc="Phase of the namespace: Active or Terminating."
        ),
        AGE,
    ),
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    fields={"status.phase": lambda namespace: namespace.status.phase},
)

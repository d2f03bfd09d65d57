"""The parts that RoleBinding and ClusterRoleBinding share: subjects, the reference to the role, checks and columns.

What must stay true: `roleRef` never changes, so that the right to edit the subjects of a binding is not the right to
bind another role.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Protocol

import msgspec

from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.types import Record
from fairlead.api.rbac.policy import GROUP
from fairlead.machinery.kinds.kind import Column, Doc
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, invalid, not_supported, required

SUBJECT_KINDS = ("ServiceAccount", "User", "Group")


class Subject(Record):
    """User, group or service account to which a role is granted."""

    kind: Annotated[str, Doc("Kind of the subject: User, Group or ServiceAccount.")] = msgspec.field(
        default_factory=str
    )
    apiGroup: Annotated[
        str, Doc('API group of the subject: "" for service accounts, else rbac.authorization.k8s.io.')
    ] = ""
    name: Annotated[str, Doc("Name of the user, of the group or of the service account.")] = msgspec.field(
        default_factory=str
    )
    namespace: Annotated[str, Doc("Namespace of the service account; must be empty for users and groups.")] = ""


class RoleRef(Record):
    """Reference to the Role or the ClusterRole that a binding grants."""

    apiGroup: Annotated[str, Doc("API group of the role; always rbac.authorization.k8s.io.")] = msgspec.field(
        default_factory=str
    )
    kind: Annotated[str, Doc("Kind of the role: Role or ClusterRole.")] = msgspec.field(default_factory=str)
    name: Annotated[str, Doc("Name of the role; a Role is in the namespace of the binding.")] = msgspec.field(
        default_factory=str
    )


class Binding(Protocol):
    """The fields of both kinds of bindings."""

    subjects: list[Subject]
    roleRef: RoleRef


def default_groups(binding: Binding) -> None:
    """Fills in the API groups that a client may leave out."""
    binding.roleRef.apiGroup = binding.roleRef.apiGroup or GROUP
    for subject in binding.subjects:
        if subject.kind in ("User", "Group"):
            subject.apiGroup = subject.apiGroup or GROUP


def binding_errors(binding: Binding, *, roles: Sequence[str], namespaced: bool) -> Iterator[FieldError]:
    """Yields the errors of a binding to one of the kinds `roles`."""
    ref = binding.roleRef
    if ref.apiGroup != GROUP:
        yield not_supported("roleRef.apiGroup", ref.apiGroup, [GROUP])
    if ref.kind not in roles:
        yield not_supported("roleRef.kind", ref.kind, roles)
    if not ref.name:
        yield required("roleRef.name")
    for text in names.path_segment(ref.name):
        yield invalid("roleRef.name", ref.name, text)
    for i, subject in enumerate(binding.subjects):
        yield from _subject_errors(subject, f"subjects[{i}]", namespaced=namespaced)


def _subject_errors(subject: Subject, path: str, *, namespaced: bool) -> Iterator[FieldError]:
    if not subject.name:
        yield required(f"{path}.name")
    match subject.kind:
        case "ServiceAccount":
            if subject.name:
                for text in names.dns1123_subdomain(subject.name):
                    yield invalid(f"{path}.name", subject.name, text)
            if subject.apiGroup:
                yield not_supported(f"{path}.apiGroup", subject.apiGroup, [""])
            if not namespaced and not subject.namespace:
                yield required(f"{path}.namespace")
        case "User" | "Group":
            if subject.apiGroup != GROUP:
                yield not_supported(f"{path}.apiGroup", subject.apiGroup, [GROUP])
        case _:
            yield not_supported(f"{path}.kind", subject.kind, SUBJECT_KINDS)


def ref_errors(old: Binding, new: Binding) -> Iterator[FieldError]:
    """Yields an error if the reference to the role changed."""
    ref = new.roleRef
    if old.roleRef != ref:
        shown = {"APIGroup": ref.apiGroup, "Kind": ref.kind, "Name": ref.name}
        yield invalid("roleRef", shown, "cannot change roleRef")


def _named(binding: Binding, kind: str) -> str:
    return ", ".join(subject.name for subject in binding.subjects if subject.kind == kind)


def _accounts(binding: Binding) -> str:
    accounts = (subject for subject in binding.subjects if subject.kind == "ServiceAccount")
    return ", ".join(f"{subject.namespace}/{subject.name}" for subject in accounts)


COLUMNS: tuple[Column[Any], ...] = (
    NAME,
    Column(
        "Role",
        lambda binding, _: f"{binding.roleRef.kind}/{binding.roleRef.name}",
        doc="Kind and name of the role that the binding grants.",
    ),
    AGE,
    Column("Users", lambda binding, _: _named(binding, "User"), wide=True, doc="Users to which the role is granted."),
    Column(
        "Groups", lambda binding, _: _named(binding, "Group"), wide=True, doc="Groups to which the role is granted."
    ),
    Column(
        "ServiceAccounts",
        lambda binding, _: _accounts(binding),
        wide=True,
        doc="Service accounts to which the role is granted, with their namespaces.",
    ),
)

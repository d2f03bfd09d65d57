"""The RoleBinding kind: grants a role within one namespace."""

from typing import Annotated

import msgspec

from fairlead.api.meta.types import Object
from fairlead.api.rbac.binding import COLUMNS, RoleRef, Subject, binding_errors, default_groups, ref_errors
from fairlead.api.rbac.policy import GROUP
from fairlead.machinery.kinds.kind import Atomic, Doc, Kind


class RoleBinding(Object):
    """Grant of a Role or a ClusterRole to subjects, for the objects of one namespace."""

    subjects: Annotated[
        list[Subject], Atomic(), Doc("Users, groups and service accounts to which the role is granted.")
    ] = []
    roleRef: Annotated[RoleRef, Doc("Reference to the role that is granted; immutable.")] = msgspec.field(
        default_factory=RoleRef
    )


def _default(binding: RoleBinding) -> RoleBinding:
    default_groups(binding)
    return binding


ROLE_BINDING = Kind(
    type=RoleBinding,
    created_by_update=True,
    kind="RoleBinding",
    group=GROUP,
    plural="rolebindings",
    storage_path="rolebindings",
    singular="rolebinding",
    name_rule="path-segment",
    columns=COLUMNS,
    default=_default,
    rules=lambda binding: binding_errors(binding, roles=("Role", "ClusterRole"), namespaced=True),
    transition=ref_errors,
)

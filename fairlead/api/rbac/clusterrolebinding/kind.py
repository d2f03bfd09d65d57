"""The ClusterRoleBinding kind: grants a role in the whole cluster."""

from typing import Annotated

import msgspec

from fairlead.api.meta.types import Object
from fairlead.api.rbac.binding import COLUMNS, RoleRef, Subject, binding_errors, default_groups, ref_errors
from fairlead.api.rbac.policy import GROUP
from fairlead.machinery.kinds.kind import Atomic, Doc, Kind


class ClusterRoleBinding(Object):
    """Grant of a ClusterRole to subjects, for the whole cluster."""

    subjects: Annotated[
        list[Subject], Atomic(), Doc("Users, groups and service accounts to which the role is granted.")
    ] = []
    roleRef: Annotated[RoleRef, Doc("Reference to the role that is granted; immutable.")] = msgspec.field(
        default_factory=RoleRef
    )


def _default(binding: ClusterRoleBinding) -> ClusterRoleBinding:
    default_groups(binding)
    return binding


CLUSTER_ROLE_BINDING = Kind(
    type=ClusterRoleBinding,
    created_by_update=True,
    kind="ClusterRoleBinding",
    group=GROUP,
    plural="clusterrolebindings",
    storage_path="clusterrolebindings",
    singular="clusterrolebinding",
    namespaced=False,
    name_rule="path-segment",
    columns=COLUMNS,
    default=_default,
    rules=lambda binding: binding_errors(binding, roles=("ClusterRole",), namespaced=False),
    transition=ref_errors,
)

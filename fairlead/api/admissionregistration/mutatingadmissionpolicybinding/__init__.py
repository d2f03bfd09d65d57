"""The MutatingAdmissionPolicyBinding kind: puts a policy in force, with parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.admissionregistration.mutatingadmissionpolicybinding.kind import MutatingAdmissionPolicyBinding

MUTATING_ADMISSION_POLICY_BINDING: Kind[MutatingAdmissionPolicyBinding] = declare(
    f"{__name__}.kind",
    Identity(
        kind="MutatingAdmissionPolicyBinding",
        group="admissionregistration.k8s.io",
        plural="mutatingadmissionpolicybindings",
        storage_path="mutatingadmissionpolicybindings",
        singular="mutatingadmissionpolicybinding",
        categories=("api-extensions",),
        namespaced=False,
        generation=True,
    ),
)

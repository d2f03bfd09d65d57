"""The MutatingAdmissionPolicy kind: changes of objects as expressions in CEL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.admissionregistration.mutatingadmissionpolicy.kind import MutatingAdmissionPolicy

MUTATING_ADMISSION_POLICY: Kind[MutatingAdmissionPolicy] = declare(
    f"{__name__}.kind",
    Identity(
        kind="MutatingAdmissionPolicy",
        group="admissionregistration.k8s.io",
        plural="mutatingadmissionpolicies",
        storage_path="mutatingadmissionpolicies",
        singular="mutatingadmissionpolicy",
        categories=("api-extensions",),
        namespaced=False,
        generation=True,
    ),
)

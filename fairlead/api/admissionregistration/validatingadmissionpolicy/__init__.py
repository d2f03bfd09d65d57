"""The ValidatingAdmissionPolicy kind: expressions in CEL that requests must satisfy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.admissionregistration.validatingadmissionpolicy.kind import ValidatingAdmissionPolicy

VALIDATING_ADMISSION_POLICY: Kind[ValidatingAdmissionPolicy] = declare(
    f"{__name__}.kind",
    Identity(
        kind="ValidatingAdmissionPolicy",
        group="admissionregistration.k8s.io",
        plural="validatingadmissionpolicies",
        storage_path="validatingadmissionpolicies",
        singular="validatingadmissionpolicy",
        categories=("api-extensions",),
        namespaced=False,
        status=True,
        generation=True,
    ),
)

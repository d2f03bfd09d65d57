"""The ValidatingAdmissionPolicyBinding kind: puts a policy in force, with parameters and actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.admissionregistration.validatingadmissionpolicybinding.kind import (
        ValidatingAdmissionPolicyBinding,
    )

VALIDATING_ADMISSION_POLICY_BINDING: Kind[ValidatingAdmissionPolicyBinding] = declare(
    f"{__name__}.kind",
    Identity(
        kind="ValidatingAdmissionPolicyBinding",
        group="admissionregistration.k8s.io",
        plural="validatingadmissionpolicybindings",
        storage_path="validatingadmissionpolicybindings",
        singular="validatingadmissionpolicybinding",
        categories=("api-extensions",),
        namespaced=False,
        generation=True,
    ),
)

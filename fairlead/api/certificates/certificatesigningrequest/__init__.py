"""The CertificateSigningRequest kind: certificates that users approve and signers issue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare, deferred
from fairlead.machinery.kinds.kind import Identity, Kind, Part

if TYPE_CHECKING:
    from fairlead.api.certificates.certificatesigningrequest.types import CertificateSigningRequest

CERTIFICATE_SIGNING_REQUEST: Kind[CertificateSigningRequest] = declare(
    f"{__name__}.kind",
    Identity(
        kind="CertificateSigningRequest",
        group="certificates.k8s.io",
        plural="certificatesigningrequests",
        storage_path="certificatesigningrequests",
        singular="certificatesigningrequest",
        short_names=("csr",),
        namespaced=False,
        status=True,
        parts=(
            Part(
                name="approval",
                writes=("status", "conditions"),
                transition=deferred(f"{__name__}.rules", "approval_changes"),
                prepare=deferred(f"{__name__}.rules", "set_times"),
                leaves=(),
            ),
        ),
    ),
)

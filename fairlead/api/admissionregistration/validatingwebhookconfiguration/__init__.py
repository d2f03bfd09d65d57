"""The ValidatingWebhookConfiguration kind: webhooks that may refuse requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.admissionregistration.validatingwebhookconfiguration.kind import ValidatingWebhookConfiguration

VALIDATING_WEBHOOK_CONFIGURATION: Kind[ValidatingWebhookConfiguration] = declare(
    f"{__name__}.kind",
    Identity(
        kind="ValidatingWebhookConfiguration",
        group="admissionregistration.k8s.io",
        plural="validatingwebhookconfigurations",
        storage_path="validatingwebhookconfigurations",
        singular="validatingwebhookconfiguration",
        categories=("api-extensions",),
        namespaced=False,
        generation=True,
    ),
)

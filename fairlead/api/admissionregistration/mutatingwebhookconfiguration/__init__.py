"""The MutatingWebhookConfiguration kind: webhooks that may change the objects of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.admissionregistration.mutatingwebhookconfiguration.kind import MutatingWebhookConfiguration

MUTATING_WEBHOOK_CONFIGURATION: Kind[MutatingWebhookConfiguration] = declare(
    f"{__name__}.kind",
    Identity(
        kind="MutatingWebhookConfiguration",
        group="admissionregistration.k8s.io",
        plural="mutatingwebhookconfigurations",
        storage_path="mutatingwebhookconfigurations",
        singular="mutatingwebhookconfiguration",
        categories=("api-extensions",),
        namespaced=False,
        generation=True,
    ),
)

"""The ValidatingWebhookConfiguration kind: webhooks that may refuse requests."""

from typing import Annotated

from fairlead.api.admissionregistration.webhook import (
    COLUMNS,
    Webhook,
    default_webhook,
    webhooks_differ,
    webhooks_errors,
)
from fairlead.api.meta.types import BY_NAME, Object
from fairlead.machinery.kinds.kind import Doc, Strategy


class ValidatingWebhook(Webhook):
    """HTTPS server that may refuse requests, and the requests it is asked about."""


class ValidatingWebhookConfiguration(Object):
    """Webhooks that may refuse requests after objects are complete, before they are stored."""

    webhooks: Annotated[list[ValidatingWebhook], BY_NAME, Doc("Webhooks that are called at the same time.")] = []


def _default(configuration: ValidatingWebhookConfiguration) -> ValidatingWebhookConfiguration:
    for hook in configuration.webhooks:
        default_webhook(hook)
    return configuration


STRATEGY: Strategy[ValidatingWebhookConfiguration] = Strategy(
    type=ValidatingWebhookConfiguration,
    unconditional_update=False,
    qualified_finalizers=False,
    changes_generation=webhooks_differ,
    columns=COLUMNS,
    default=_default,
    rules=lambda configuration: webhooks_errors(configuration.webhooks),
)

"""The MutatingWebhookConfiguration kind: webhooks that may change the objects of requests."""

from typing import Annotated

from fairlead.api.admissionregistration.policy import REINVOCATION_POLICIES
from fairlead.api.admissionregistration.webhook import (
    COLUMNS,
    Webhook,
    default_webhook,
    webhooks_differ,
    webhooks_errors,
)
from fairlead.api.meta.types import BY_NAME, Object
from fairlead.machinery.kinds.kind import Doc, Strategy
from fairlead.machinery.values.status import FieldError, not_supported


class MutatingWebhook(Webhook):
    """HTTPS server that may change the objects of requests, and the requests it is asked about."""

    reinvocationPolicy: (
        Annotated[
            str, Doc("Set to IfNeeded to call the webhook again if the object changed after its call; default Never.")
        ]
        | None
    ) = None


class MutatingWebhookConfiguration(Object):
    """Webhooks that may change or refuse requests before objects are checked and stored."""

    webhooks: Annotated[
        list[MutatingWebhook], BY_NAME, Doc("Webhooks that are called one after the other, in the order of the list.")
    ] = []


def _default(configuration: MutatingWebhookConfiguration) -> MutatingWebhookConfiguration:
    for hook in configuration.webhooks:
        default_webhook(hook)
        hook.reinvocationPolicy = "Never" if hook.reinvocationPolicy is None else hook.reinvocationPolicy
    return configuration


def _rules(configuration: MutatingWebhookConfiguration) -> list[FieldError]:
    errors = list(webhooks_errors(configuration.webhooks))
    for i, hook in enumerate(configuration.webhooks):
        if hook.reinvocationPolicy not in (None, *REINVOCATION_POLICIES):
            path = f"webhooks[{i}].reinvocationPolicy"
            errors.append(not_supported(path, hook.reinvocationPolicy, REINVOCATION_POLICIES))
    return errors


STRATEGY: Strategy[MutatingWebhookConfiguration] = Strategy(
    type=MutatingWebhookConfiguration,
    unconditional_update=False,
    qualified_finalizers=False,
    changes_generation=webhooks_differ,
    columns=COLUMNS,
    default=_default,
    rules=_rules,
)

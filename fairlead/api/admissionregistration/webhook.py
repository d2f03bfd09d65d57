"""The parts that mutating and validating webhooks share: fields, defaults, checks and columns."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec

from fairlead.api.admissionregistration.clientconfig import WebhookClientConfig, default_client
from fairlead.api.admissionregistration.conditions import MatchConditions, condition_errors
from fairlead.api.admissionregistration.operations import RuleWithOperations, default_rule, rule_errors
from fairlead.api.meta.clientrules import client_errors
from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.rules import label_selector
from fairlead.api.meta.types import Int32, LabelSelector, Record, Strings, empty_list
from fairlead.machinery.kinds.kind import Atomic, Column, Doc
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, invalid, not_supported, required

FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
REVIEW_VERSIONS = ("v1", "v1beta1")
"""Versions of AdmissionReview that the server speaks."""
_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_TIMEOUT_S = 10
_LONGEST_S = 30


class Webhook(Record):
    """HTTPS server that is asked about requests, and the requests it is asked about."""

    name: Annotated[
        str, Doc("Name of the webhook, a domain name with at least three segments; unique within the configuration.")
    ] = msgspec.field(default_factory=str)
    clientConfig: Annotated[WebhookClientConfig, Doc("Address and certificates of the webhook's server.")] = (
        msgspec.field(default_factory=WebhookClientConfig)
    )
    rules: Annotated[
        list[RuleWithOperations],
        Atomic(),
        Doc("Operations on resources that the webhook is called for; any matching rule is sufficient."),
    ] = []
    failurePolicy: (
        Annotated[str, Doc("Effect of a failed call: Fail (default) refuses the request, Ignore lets it pass.")] | None
    ) = None
    matchPolicy: (
        Annotated[
            str,
            Doc("Match of other versions of the resources: Equivalent (default) converts, Exact skips such requests."),
        ]
        | None
    ) = None
    namespaceSelector: (
        Annotated[
            LabelSelector,
            Doc("Label selector of the namespaces whose objects the webhook is called for; all if empty."),
        ]
        | None
    ) = None
    objectSelector: (
        Annotated[
            LabelSelector,
            Doc("Label selector of the objects the webhook is called for, met by the new or the old object."),
        ]
        | None
    ) = None
    sideEffects: (
        Annotated[str, Doc("Effects of a call beyond its answer: None, or NoneOnDryRun if dry runs do not cause them.")]
        | None
    ) = None
    timeoutSeconds: (
        Annotated[Int32, Doc("Seconds after which a call counts as failed: from 1 to 30, default 10.")] | None
    ) = None
    admissionReviewVersions: Annotated[
        Strings, Doc("Versions of AdmissionReview that the webhook understands, the preferred one first.")
    ] = msgspec.field(default_factory=empty_list)
    matchConditions: MatchConditions = []


def default_webhook(hook: Webhook) -> None:
    """Fills in upstream's defaults."""
    hook.failurePolicy = "Fail" if hook.failurePolicy is None else hook.failurePolicy
    hook.matchPolicy = "Equivalent" if hook.matchPolicy is None else hook.matchPolicy
    hook.namespaceSelector = hook.namespaceSelector or LabelSelector()
    hook.objectSelector = hook.objectSelector or LabelSelector()
    hook.timeoutSeconds = _TIMEOUT_S if hook.timeoutSeconds is None else hook.timeoutSeconds
    default_client(hook.clientConfig)
    for rule in hook.rules:
        default_rule(rule)


def webhooks_errors(hooks: Sequence[Webhook]) -> Iterator[FieldError]:
    """Yields the errors of all webhooks of a configuration."""
    seen: set[str] = set()
    for i, hook in enumerate(hooks):
        path = f"webhooks[{i}]"
        yield from _errors(hook, path)
        yield from _version_errors(hook.admissionReviewVersions, f"{path}.admissionReviewVersions")
        if hook.name in seen:
            yield duplicate(f"{path}.name", hook.name)
        if hook.name:
            seen.add(hook.name)


def _errors(hook: Webhook, path: str) -> Iterator[FieldError]:
    yield from _name_errors(hook.name, f"{path}.name")
    for i, rule in enumerate(hook.rules):
        yield from rule_errors(rule, f"{path}.rules[{i}]")
    if hook.failurePolicy is not None and hook.failurePolicy not in FAILURE_POLICIES:
        yield not_supported(f"{path}.failurePolicy", hook.failurePolicy, FAILURE_POLICIES)
    if hook.matchPolicy is not None and hook.matchPolicy not in MATCH_POLICIES:
        yield not_supported(f"{path}.matchPolicy", hook.matchPolicy, MATCH_POLICIES)
    if hook.sideEffects is None:
        yield required(f"{path}.sideEffects", f"must specify one of {', '.join(_SIDE_EFFECTS)}")
    elif hook.sideEffects not in _SIDE_EFFECTS:
        yield not_supported(f"{path}.sideEffects", hook.sideEffects, _SIDE_EFFECTS)
    if hook.timeoutSeconds is not None and not 1 <= hook.timeoutSeconds <= _LONGEST_S:
        text = "the timeout value must be between 1 and 30 seconds"
        yield invalid(f"{path}.timeoutSeconds", hook.timeoutSeconds, text)
    for field in ("namespaceSelector", "objectSelector"):
        selector: LabelSelector | None = getattr(hook, field)
        if selector is not None:
            yield from label_selector(selector, f"{path}.{field}")
    yield from client_errors(hook.clientConfig, f"{path}.clientConfig")
    yield from condition_errors(hook.matchConditions, f"{path}.matchConditions", params=False)


def _name_errors(name: str, path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
    elif texts := names.dns1123_subdomain(name):
        yield invalid(path, name, ",".join(texts))
    elif name.count(".") < 2:
        yield invalid(path, name, "should be a domain with at least three segments separated by dots")


def _version_errors(versions: list[str], path: str) -> Iterator[FieldError]:
    if not versions:
        yield required(path, f"must specify one of {', '.join(REVIEW_VERSIONS)}")
        return
    seen: set[str] = set()
    for i, version in enumerate(versions):
        if version in seen:
            yield invalid(f"{path}[{i}]", version, "duplicate version")
            continue
        seen.add(version)
        yield from (invalid(f"{path}[{i}]", version, text) for text in names.dns1035_label(version))
    if not seen & set(REVIEW_VERSIONS):
        yield invalid(path, versions, f"must include at least one of {', '.join(REVIEW_VERSIONS)}")


COLUMNS: tuple[Column[Any], ...] = (
    NAME,
    Column(
        "Webhooks",
        lambda found, _: len(found.webhooks),
        type="integer",
        doc="Number of webhooks that are registered in the configuration.",
    ),
    AGE,
)


def webhooks_differ(old: Any, new: Any) -> bool:
    """Returns whether `metadata.generation` counts the change."""
    return bool(old.webhooks != new.webhooks)

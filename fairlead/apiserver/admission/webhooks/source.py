"""The configured webhooks, read from their configurations when these have changed.

Webhooks are sorted by the names of their configurations, and then by their places in them, as upstream sorts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fairlead.apiserver.admission.configured import Source
from fairlead.apiserver.admission.matching import Pairs, ResourceVersionKind, pairs_for
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.webhook.model import WebhookTarget, target_of
from fairlead.base.dataclass import dataclass
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.selectors import LabelRequirements, from_label_selector

if TYPE_CHECKING:
    from fairlead.api.admissionregistration.webhook import Webhook

_DEFAULT_TIMEOUT_S = 10


class Hook:
    """One webhook of a configuration."""

    def __init__(self, configuration: str, spec: Webhook, key: str) -> None:
        self.configuration = configuration
        self.spec = spec
        self.key = key
        """Names the webhook among all; equal for a webhook in the two passes of one request."""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def ignores_failures(self) -> bool:
        return self.spec.failurePolicy == "Ignore"

    @property
    def timeout_s(self) -> int:
        return self.spec.timeoutSeconds or _DEFAULT_TIMEOUT_S

    @property
    def reinvoked(self) -> bool:
        """Returns whether the webhook wants to see changes that were made after its call."""
        return getattr(self.spec, "reinvocationPolicy", None) == "IfNeeded"

    @cached_property
    def target(self) -> WebhookTarget:
        return target_of(self.spec.clientConfig)

    @cached_property
    def namespaces(self) -> LabelRequirements:
        return from_label_selector(self.spec.namespaceSelector)

    @cached_property
    def objects(self) -> LabelRequirements:
        return from_label_selector(self.spec.objectSelector)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A webhook that may be about a kind of request, with its rules for such requests."""

    hook: Hook
    index: int
    """The place among all webhooks, which audit annotations name."""
    pairs: Pairs


class HookSource(Source[Hook, Candidate]):
    """The webhooks of one kind of configuration."""

    def __init__(self, resources: Resources, scheme: Scheme, kind: Kind[Any]) -> None:
        self._cache = resources.of(kind).cache
        super().__init__((self._cache,), scheme)

    def _read(self) -> list[Hook]:
        return [
            Hook(entry.name, spec, f"{entry.name}/{spec.name}/{i}")
            for entry in self._cache.select()
            for i, spec in enumerate(entry.decode().webhooks)
        ]

    def _choose(
        self,
        in_force: Sequence[Hook],
        operation: str,
        requested: ResourceVersionKind,
        others: Sequence[ResourceVersionKind],
    ) -> Iterator[Candidate]:
        for index, hook in enumerate(in_force):
            versions = others if hook.spec.matchPolicy != "Exact" else []
            if pairs := pairs_for(hook.spec.rules, operation, requested, versions):
                yield Candidate(hook, index, pairs)

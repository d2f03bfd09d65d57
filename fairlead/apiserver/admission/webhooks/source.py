"""The configured webhooks, read from their configurations when these have changed.

Webhooks are sorted by the names of their configurations, and then by their places in them, as upstream sorts them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fairlead.apiserver.admission.matching import (
    EXEMPT_GROUP,
    Pairs,
    equivalents,
    pairs_for,
    resource_of,
)
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


class HookSource:
    """The webhooks of one kind of configuration."""

    def __init__(self, resources: Resources, scheme: Scheme, kind: Kind[Any]) -> None:
        self._cache = resources.of(kind).cache
        self._scheme = scheme
        self._hooks: list[Hook] | None = None
        self._candidates: dict[tuple[str, str], dict[Kind[Any], tuple[Candidate, ...]]] = {}

    def follow(self, changed: Callable[[], None]) -> None:
        """Calls the function each time that webhooks were configured, or versions of a kind came or went."""
        self._changed = changed
        self._cache.listeners[self] = lambda _: self._reset()
        self._scheme.subscribe(self)

    async def kind_added(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`."""
        self._reset()

    async def kind_removed(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`."""
        self._reset()

    def candidates(self, operation: str, kind: Kind[Any], subresource: str) -> tuple[Candidate, ...]:
        """Returns the webhooks that may be about such requests."""
        by_kind = self._candidates.setdefault((operation, subresource), {})
        found = by_kind.get(kind)
        if found is None:
            found = by_kind[kind] = self._find(operation, kind, subresource)
        return found

    def _reset(self) -> None:
        self._hooks = None
        self._candidates.clear()
        self._changed()

    def _find(self, operation: str, kind: Kind[Any], subresource: str) -> tuple[Candidate, ...]:
        if not len(self._cache) or kind.group == EXEMPT_GROUP:
            return ()
        requested = resource_of(kind, subresource)
        if requested is None:
            return ()
        others = equivalents(self._scheme, kind, subresource)
        found = []
        for index, hook in enumerate(self._all()):
            versions = others if hook.spec.matchPolicy != "Exact" else []
            if pairs := pairs_for(hook.spec.rules, operation, requested, versions):
                found.append(Candidate(hook, index, pairs))
        return tuple(found)

    def _all(self) -> list[Hook]:
        if self._hooks is None:
            self._hooks = [
                Hook(entry.name, spec, f"{entry.name}/{spec.name}/{i}")
                for entry in self._cache.select()
                for i, spec in enumerate(entry.decode().webhooks)
            ]
        return self._hooks

"""The policies in force, read from policies and bindings when these have changed, and their choice for a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from fairlead.apiserver.admission.bodies import Bodies, Tree
from fairlead.apiserver.admission.matching import (
    EXEMPT_GROUP,
    ResourceVersionKind,
    equivalents,
    find_resource,
    matches_object,
    namespace_of,
    pairs_for,
    resource_of,
)
from fairlead.apiserver.admission.namespaces import NamespaceLabels
from fairlead.apiserver.admission.plugin import Attributes
from fairlead.apiserver.admission.policies.compiled import Binding, Criteria, Policy
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.dataclass import dataclass
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.selectors import from_label_selector


@dataclass(frozen=True, slots=True)
class Invocation:
    """A policy to evaluate, for one binding and one object of parameters."""

    policy: Policy
    binding: Binding
    version: ResourceVersionKind
    params: Tree | None
    key: str
    """Names policy, binding and parameters; equal in the two passes of one request."""


@dataclass(frozen=True, slots=True)
class Misconfiguration:
    """A policy or a binding that cannot be evaluated."""

    policy: Policy
    binding: Binding | None
    message: str


class ParamsError(Exception):
    """The parameters of a binding cannot be found."""


class PolicySource:
    """The policies of one kind with their bindings."""

    def __init__(self, resources: Resources, scheme: Scheme, policy: Kind[Any], binding: Kind[Any]) -> None:
        self._resources = resources
        self._scheme = scheme
        self._policies = resources.of(policy).cache
        self._bindings = resources.of(binding).cache
        self._namespaces = NamespaceLabels(resources)
        self._parsed: list[Policy] | None = None
        self._found: dict[tuple[str, str], dict[Kind[Any], tuple[Policy, ...]]] = {}

    def follow(self, changed: Callable[[], None]) -> None:
        """Calls the function each time that policies, bindings or versions of a kind came or went."""
        self._changed = changed
        for cache in (self._policies, self._bindings):
            cache.listeners[self] = lambda _: self._reset()
        self._scheme.subscribe(self)

    async def kind_added(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`."""
        self._reset()

    async def kind_removed(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`."""
        self._reset()

    def policies_for(self, operation: str, kind: Kind[Any], subresource: str) -> tuple[Policy, ...]:
        """Returns the policies that may be about such requests."""
        by_kind = self._found.setdefault((operation, subresource), {})
        found = by_kind.get(kind)
        if found is None:
            found = by_kind[kind] = self._find(operation, kind, subresource)
        return found

    def select(self, attributes: Attributes, bodies: Bodies) -> Iterator[Invocation | Misconfiguration]:
        """Yields what is to be evaluated for the request, in order. Raises StatusError 404."""
        for policy in self.policies_for(attributes.operation, attributes.kind, attributes.subresource):
            version = self._match(policy.criteria, attributes, bodies)
            if version is None:
                continue
            for binding in policy.bindings:
                if binding.criteria is not None and self._match(binding.criteria, attributes, bodies) is None:
                    continue
                try:
                    params = list(self._params(policy, binding, attributes))
                except ParamsError as e:
                    yield Misconfiguration(policy, binding, f"failed to configure binding: {e}")
                    continue
                for name, tree in params:
                    yield Invocation(policy, binding, version, tree, f"{policy.name}/{binding.name}/{name}")

    def _reset(self) -> None:
        self._parsed = None
        self._found.clear()
        self._changed()

    def _find(self, operation: str, kind: Kind[Any], subresource: str) -> tuple[Policy, ...]:
        if not len(self._policies) or not len(self._bindings) or kind.group == EXEMPT_GROUP:
            return ()
        requested = resource_of(kind, subresource)
        if requested is None:
            return ()
        others = equivalents(self._scheme, kind, subresource)
        return tuple(
            policy
            for policy in self._all()
            if pairs_for(policy.criteria.rules, operation, requested, [] if policy.criteria.exact else others)
        )

    def _all(self) -> list[Policy]:
        if self._parsed is None:
            bindings: dict[str, list[Binding]] = {}
            for entry in self._bindings.select():
                binding = Binding(entry.decode())
                bindings.setdefault(binding.spec.policyName, []).append(binding)
            entries = (entry for entry in self._policies.select() if entry.name in bindings)
            self._parsed = [Policy(entry.decode(), bindings[entry.name]) for entry in entries]
        return self._parsed

    def _match(self, criteria: Criteria, attributes: Attributes, bodies: Bodies) -> ResourceVersionKind | None:
        """Returns the version of the resource that the criteria match, or None."""
        if not matches_object(criteria.objects, attributes):
            return None
        operation, requested = attributes.operation, bodies.requested
        others = [] if criteria.exact else equivalents(self._scheme, attributes.kind, attributes.subresource)
        if criteria.excluded:
            excluded = pairs_for(criteria.excluded, operation, requested, others)
            if find_resource(excluded, attributes) is not None:
                return None
        version: ResourceVersionKind | None = requested
        if criteria.rules:
            version = find_resource(pairs_for(criteria.rules, operation, requested, others), attributes)
        if version is None or not self._namespaces.match(criteria.namespaces, attributes):
            return None
        return version

    def _params(self, policy: Policy, binding: Binding, attributes: Attributes) -> Iterator[tuple[str, Tree | None]]:
        """Yields name and tree of each object of parameters; one without a tree if the policy takes none. Raises
        ParamsError."""
        wanted, ref = policy.spec.paramKind, binding.spec.paramRef
        if wanted is None or ref is None:
            yield "", None
            return
        group, _, version = wanted.apiVersion.rpartition("/")
        kind = self._scheme.by_gvk(group, version, wanted.kind)
        resource = self._resources.find(kind.group, kind.version, kind.plural) if kind is not None else None
        if kind is None or resource is None:
            shown = f"{group}/{version}, Kind={wanted.kind}"
            raise ParamsError(f"failed to find resource referenced by paramKind: '{shown}'")
        if ref.namespace and not kind.namespaced:
            raise ParamsError("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        namespace = (ref.namespace or namespace_of(attributes)) if kind.namespaced else ""
        if kind.namespaced and not namespace:
            text = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
            raise ParamsError(text)
        found: list[Entry] = []
        if ref.name:
            entry = resource.cache.get(resource.key(namespace, ref.name))
            found = [entry] if entry is not None else []
        elif ref.selector is not None:
            selector = from_label_selector(ref.selector)
            found = [entry for entry in resource.cache.select(namespace) if selector.matches(entry.labels)]
        if not found and ref.parameterNotFoundAction == "Deny":
            raise ParamsError("no params found for policy binding with `Deny` parameterNotFoundAction")
        for entry in found:
            yield entry.key, msgspec.json.decode(entry.raw)

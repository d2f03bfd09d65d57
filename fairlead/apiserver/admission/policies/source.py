"""The policies in force, read from policies and bindings when these have changed, and their choice for a request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from fairlead.apiserver.admission.bodies import Bodies, Tree
from fairlead.apiserver.admission.configured import Source
from fairlead.apiserver.admission.matching import (
    ResourceVersionKind,
    equivalents,
    find_resource,
    matches_object,
    namespace_of,
    pairs_for,
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


class PolicySource(Source[Policy, Policy]):
    """The policies of one kind with their bindings."""

    def __init__(self, resources: Resources, scheme: Scheme, policy: Kind[Any], binding: Kind[Any]) -> None:
        self._resources = resources
        self._policies = resources.of(policy).cache
        self._bindings = resources.of(binding).cache
        self._namespaces = NamespaceLabels(resources)
        super().__init__((self._policies, self._bindings), scheme)

    def select(self, attributes: Attributes, bodies: Bodies) -> Iterator[Invocation | Misconfiguration]:
        """Yields what is to be evaluated for the request, in order. Raises StatusError 404."""
        for policy in self.candidates(attributes.operation, attributes.kind, attributes.subresource):
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

    def _read(self) -> list[Policy]:
        bindings: dict[str, list[Binding]] = {}
        for entry in self._bindings.select():
            binding = Binding(entry.decode())
            bindings.setdefault(binding.spec.policyName, []).append(binding)
        entries = (entry for entry in self._policies.select() if entry.name in bindings)
        return [Policy(entry.decode(), bindings[entry.name]) for entry in entries]

    def _choose(
        self,
        in_force: Sequence[Policy],
        operation: str,
        requested: ResourceVersionKind,
        others: Sequence[ResourceVersionKind],
    ) -> Iterator[Policy]:
        for policy in in_force:
            if pairs_for(policy.criteria.rules, operation, requested, [] if policy.criteria.exact else others):
                yield policy

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

"""Evaluates MutatingAdmissionPolicies: changes objects by configurations to merge and JSON patches, made in CEL.

Source: upstream's admission plug-in MutatingAdmissionPolicy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fairlead.apiserver.admission.bodies import Bodies, Tree
from fairlead.apiserver.admission.evaluation import (
    BUDGET,
    Budget,
    ExpressionError,
    LazyVariables,
    plain,
)
from fairlead.apiserver.admission.plugin import Attributes, PassMemory, Reinvocation
from fairlead.apiserver.admission.policies.compiled import Binding, Policy
from fairlead.apiserver.admission.policies.plugin import PolicyPlugin
from fairlead.apiserver.admission.policies.source import Invocation, Misconfiguration
from fairlead.base.dataclass import dataclass
from fairlead.machinery.managedfields.conform import problems, text_of
from fairlead.machinery.managedfields.merging import merge
from fairlead.machinery.managedfields.shape import Shape, below, is_granular, is_list, shape_of
from fairlead.machinery.patches.patch import json_patch
from fairlead.machinery.values.status import StatusError

_TEST_FAILED = "testing value"


@dataclass(frozen=True, slots=True)
class _Failure:
    policy: Policy
    binding: Binding | None
    message: str
    reason: str = ""

    def text(self) -> str:
        if self.binding is None:
            return f'policy "{self.policy.name}" denied request: {self.message}'
        return f"policy '{self.policy.name}' with binding '{self.binding.name}' denied request: {self.message}"


class MutatingPolicies(PolicyPlugin):
    """Lets policies change objects."""

    name = "MutatingAdmissionPolicy"

    async def admit(self, attributes: Attributes) -> None:
        if attributes.obj is None:
            return
        state = attributes.reinvocation = attributes.reinvocation or Reinvocation()
        bodies = Bodies(attributes)
        memory = state.enter(self.name, bodies.new(bodies.requested) if state.active else None)
        failures: list[_Failure] = []
        for one in self._source.select(attributes, bodies):
            if isinstance(one, Misconfiguration):
                failures.append(_Failure(one.policy, one.binding, one.message))
                continue
            try:
                self._mutate(one, attributes, bodies, memory)
            except (ExpressionError, ValueError) as e:
                failures.append(_Failure(one.policy, one.binding, str(e), "Invalid"))
        memory.output = bodies.new(bodies.requested)
        if refusing := [failure for failure in failures if not failure.policy.ignores_failures]:
            raise _refusal(attributes, refusing)

    def _mutate(self, invocation: Invocation, attributes: Attributes, bodies: Bodies, memory: PassMemory) -> None:
        """Applies the mutations of one binding. Raises ExpressionError, ValueError."""
        policy, version = invocation.policy, invocation.version
        state = attributes.reinvocation
        assert state is not None
        scope = self._scope(invocation, attributes, bodies)
        if not self._applies(invocation, scope):
            return
        if state.active and invocation.key not in memory.again:
            return
        before = bodies.new(version)
        for mutation in policy.spec.mutations:
            metadata = getattr(attributes.obj, "metadata", None)
            scope = self._scope(invocation, attributes, bodies)
            _apply(mutation, policy, scope, bodies, invocation)
            if metadata is not None:
                attributes.obj.metadata.managedFields = metadata.managedFields  # only the server maintains them
        if bodies.new(version) != before:
            memory.object_changed()
            state.requested = True
        if policy.spec.reinvocationPolicy == "IfNeeded":
            memory.eligible.add(invocation.key)


def _apply(mutation: Any, policy: Policy, scope: dict[str, Any], bodies: Bodies, invocation: Invocation) -> None:
    """Applies one mutation. Raises ExpressionError, ValueError."""
    budget, version = Budget(BUDGET), invocation.version
    scope["variables"] = LazyVariables(policy.variables, scope, budget)
    live = bodies.new(version)
    assert live is not None
    try:
        if mutation.patchType == "JSONPatch":
            program = policy.compile(mutation.jsonPatch.expression.strip(), "patch")
            operations = [_operation(one) for one in budget.evaluate(program, scope)]
            patched = _patched(live, operations)
        else:
            program = policy.compile(mutation.applyConfiguration.expression.strip(), "object")
            config = budget.evaluate(program, scope)
            _check_names(config, "Object")
            patched = _merged(live, plain(config), shape_of(version.kind.schema))
        if patched is not live:
            bodies.replace(patched, version)
    except StatusError as e:
        raise ExpressionError(e.message) from e


def _check_names(value: Any, path: str) -> None:
    """Raises ExpressionError if an object was made by the name of another field's type (`Object.spec.wrong{}`)."""
    from fairlead.cel.values import Struct

    if not isinstance(value, Struct):
        return
    name = value.cel_type.name
    if name != path:
        text = f'unexpected type name "{name}", expected "{path}", which matches field name path from root Object type'
        raise ExpressionError(f"type mismatch: {text}")
    for field, inner in value.items():
        for one in inner if isinstance(inner, list) else [inner]:
            _check_names(one, f"{path}.{field}")


def _operation(value: Any) -> Tree:
    found: Tree = plain(value)
    if not found.get("from"):
        found.pop("from", None)
    return found


def _patched(live: Tree, operations: list[Tree]) -> Tree:
    """Returns the patched object; the same if a test of the patch fails. Raises ExpressionError."""
    try:
        patched: Tree = json_patch(live, operations)
    except StatusError as e:
        if _TEST_FAILED in e.message:
            return live
        raise ExpressionError(f"JSON Patch: {e.message}") from e
    return patched


def _merged(live: Tree, config: Tree, shape: Shape) -> Tree:
    """Returns the object with the configuration merged into it. Raises ExpressionError."""
    faults = list(problems(config, shape))
    if faults:
        raise ExpressionError(
            f"error applying patch: failed to convert patch object to typed object: {text_of(faults)}"
        )
    if atomic := list(_atomic(config, shape, "")):
        text = f"may not mutate atomic arrays, maps or structs: {', '.join(atomic)}"
        raise ExpressionError(f"error applying patch: invalid ApplyConfiguration: {text}")
    merged: Tree = merge(live, config, shape)
    return merged


def _atomic(value: Any, shape: Shape, path: str) -> Iterator[str]:
    """Yields the paths of maps and lists that can only be replaced as a whole."""
    if isinstance(value, dict):
        if not is_granular(shape, value):
            yield path
            return
        for name, inner in value.items():
            yield from _atomic(inner, below(shape, name)[1], f"{path}.{name}")
    elif isinstance(value, list):
        if not is_list(shape, value):
            yield path
            return
        for i, inner in enumerate(value):
            if shape.item is not None:
                yield from _atomic(inner, shape.item, f"{path}[{i}]")


def _refusal(attributes: Attributes, failures: list[_Failure]) -> StatusError:
    error = attributes.denied("admission request denied by policy")
    causes = [{"message": failure.text()} for failure in failures]
    reason = failures[0].reason or error.reason
    details = error.details | {"causes": [*error.details.get("causes", ()), *causes]}
    return StatusError(error.code, reason, failures[0].text(), details)

"""Evaluates ValidatingAdmissionPolicies: refuses, warns and annotates by expressions in CEL.

Source: upstream's admission plug-in ValidatingAdmissionPolicy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fairlead.apiserver.admission.bodies import Bodies
from fairlead.apiserver.admission.evaluation import BUDGET, Budget, ExpressionError, LazyVariables
from fairlead.apiserver.admission.plugin import Attributes
from fairlead.apiserver.admission.policies.compiled import Binding, Policy
from fairlead.apiserver.admission.policies.plugin import PolicyPlugin
from fairlead.apiserver.admission.policies.source import Invocation, Misconfiguration
from fairlead.base.dataclass import dataclass
from fairlead.machinery.values.status import StatusError

_CODES = {"Unauthorized": 401, "Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}
_LONGEST_MESSAGE = 5 * 1024
_LONGEST_ANNOTATION = 10 * 1024
_FAILURE = "validation.policy.admission.k8s.io/validation_failure"


@dataclass(frozen=True, slots=True)
class Violation:
    """An expression that is false, or has an error that counts as a violation."""

    message: str
    index: int = 0
    reason: str = "Invalid"


@dataclass(frozen=True, slots=True)
class _Denial:
    policy: Policy
    binding: Binding | None
    violation: Violation


class ValidatingPolicies(PolicyPlugin):
    """Lets policies refuse requests."""

    name = "ValidatingAdmissionPolicy"

    async def validate(self, attributes: Attributes) -> None:
        bodies = Bodies(attributes)
        denials: list[_Denial] = []
        notes: dict[str, list[str]] = {}
        for one in self._source.select(attributes, bodies):
            if isinstance(one, Misconfiguration):
                if not one.policy.ignores_failures:
                    denials.append(_Denial(one.policy, one.binding, Violation(one.message)))
                continue
            denials += self._evaluate(one, attributes, bodies, notes)
        for key, values in notes.items():
            attributes.annotate(key, ", ".join(values))
        if denials:
            raise _refusal(attributes, denials[0])

    def _evaluate(
        self, invocation: Invocation, attributes: Attributes, bodies: Bodies, notes: dict[str, list[str]]
    ) -> list[_Denial]:
        """Acts on the violations of one binding, and returns those that refuse the request."""
        policy, binding = invocation.policy, invocation.binding
        scope = self._scope(invocation, attributes, bodies)
        try:
            if not self._applies(invocation, scope):
                return []
            violations = list(_violations(policy, scope))
        except (ExpressionError, ValueError) as e:
            violations = [] if policy.ignores_failures else [Violation(str(e))]
        refusing = [violation for violation in violations if _act(violation, policy, binding, attributes)]
        refusing += _annotations(policy, scope, notes)
        return [_Denial(policy, binding, violation) for violation in refusing]


def _violations(policy: Policy, scope: dict[str, Any]) -> Iterator[Violation]:
    """Yields the violations of a policy. Raises ValueError for an expression that does not compile."""
    budget = Budget(BUDGET)
    scope["variables"] = LazyVariables(policy.variables, scope, budget)
    for index, validation in enumerate(policy.spec.validations):
        program = policy.compile(validation.expression, "bool")
        try:
            good = budget.evaluate(program, scope) is True
        except ExpressionError as e:
            if not policy.ignores_failures:
                yield Violation(str(e), index)
            continue
        if not good:
            message = _message(policy, validation, scope, budget)
            yield Violation(message, index, validation.reason or "Invalid")


def _message(policy: Policy, validation: Any, scope: dict[str, Any], budget: Budget) -> str:
    if validation.messageExpression:
        try:
            text = budget.evaluate(policy.compile(validation.messageExpression, "string", authorizer=False), scope)
        except (ExpressionError, ValueError):
            text = ""
        if isinstance(text, str):
            text = text.strip()
            if text and len(text.encode()) <= _LONGEST_MESSAGE and "\n" not in text:
                return text
    return validation.message.strip() or f"failed expression: {validation.expression.strip()}"


def _act(violation: Violation, policy: Policy, binding: Binding, attributes: Attributes) -> bool:
    """Warns and annotates as the binding says. Returns whether the request is to be refused."""
    actions = binding.spec.validationActions
    if "Warn" in actions:
        head = f"Validation failed for ValidatingAdmissionPolicy '{policy.name}' with binding '{binding.name}'"
        attributes.warn(f"{head}: {violation.message}")
    if "Audit" in actions:
        note = {
            "message": violation.message,
            "policy": policy.name,
            "binding": binding.name,
            "expressionIndex": violation.index,
            "validationActions": actions,
        }
        attributes.annotate(_FAILURE, json.dumps([note], separators=(",", ":"), ensure_ascii=False))
    return "Deny" in actions


def _annotations(policy: Policy, scope: dict[str, Any], notes: dict[str, list[str]]) -> Iterator[Violation]:
    """Collects the audit annotations of a policy; yields an error that refuses the request."""
    budget = Budget(BUDGET)
    for annotation in policy.spec.auditAnnotations:
        scope["variables"] = LazyVariables(policy.variables, scope, budget)
        try:
            program = policy.compile(annotation.valueExpression.strip(), "string or null")
            value = budget.evaluate(program, scope)
        except (ExpressionError, ValueError) as e:
            if not policy.ignores_failures:
                yield Violation(str(e))
            continue
        text = value.strip()[:_LONGEST_ANNOTATION] if isinstance(value, str) else ""
        values = notes.setdefault(f"{policy.name}/{annotation.key}", []) if text else []
        if text and text not in values:
            values.append(text)


def _refusal(attributes: Attributes, denial: _Denial) -> StatusError:
    binding = f" with binding '{denial.binding.name}'" if denial.binding is not None else ""
    violation = denial.violation
    message = f"ValidatingAdmissionPolicy '{denial.policy.name}'{binding} denied request: {violation.message}"
    error = attributes.denied(message)
    details = error.details | {"causes": [*error.details.get("causes", ()), {"message": message}]}
    return StatusError(_CODES.get(violation.reason, 422), violation.reason, error.message, details)

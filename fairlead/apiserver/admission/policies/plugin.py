"""Base of both plug-ins of policies: the variables of their expressions, and the match conditions."""

from __future__ import annotations

from typing import Any

from fairlead.apiserver.admission.bodies import Bodies
from fairlead.apiserver.admission.conditions import Conditions
from fairlead.apiserver.admission.configured import ConfiguredPlugin
from fairlead.apiserver.admission.evaluation import Evaluations
from fairlead.apiserver.admission.plugin import Attributes
from fairlead.apiserver.admission.policies.source import Invocation, PolicySource


class PolicyPlugin(ConfiguredPlugin[PolicySource]):
    def __init__(self, source: PolicySource, evaluations: Evaluations, conditions: Conditions) -> None:
        super().__init__(source)
        self._evaluations = evaluations
        self._conditions = conditions

    def _scope(self, invocation: Invocation, attributes: Attributes, bodies: Bodies) -> dict[str, Any]:
        scope = self._evaluations.variables(attributes, bodies, invocation.version)
        scope["params"] = invocation.params
        return scope

    def _applies(self, invocation: Invocation, scope: dict[str, Any]) -> bool:
        """Returns whether the match conditions are met. Raises ExpressionError, ValueError."""
        policy = invocation.policy
        conditions = policy.spec.matchConditions
        return not conditions or self._conditions.met(conditions, scope, params=policy.has_params)

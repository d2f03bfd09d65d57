"""Evaluates match conditions: expressions in CEL that must all be true for a webhook or a policy to be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fairlead.apiserver.admission.bodies import Bodies
from fairlead.apiserver.admission.evaluation import CONDITIONS_BUDGET, Budget, Evaluations, ExpressionError
from fairlead.apiserver.admission.matching import ResourceVersionKind
from fairlead.apiserver.admission.plugin import Attributes
from fairlead.machinery.values.status import forbidden_object

if TYPE_CHECKING:
    from fairlead.api.admissionregistration.conditions import MatchCondition
    from fairlead.cel.environment import Program

_MOST_PROGRAMS = 1024


class Conditions:
    """Evaluates match conditions; keeps compiled expressions."""

    def __init__(self, evaluations: Evaluations) -> None:
        self._evaluations = evaluations
        self._compile = lru_cache(maxsize=_MOST_PROGRAMS)(_compiled)

    def hold(
        self,
        conditions: Sequence[MatchCondition],
        attributes: Attributes,
        bodies: Bodies,
        version: ResourceVersionKind,
        *,
        ignores_failures: bool,
    ) -> bool:
        """Returns whether all conditions of a webhook are true. Raises StatusError 403 if a condition has an error,
        unless failures are ignored."""
        scope = self._evaluations.variables(attributes, bodies, version)
        try:
            return self.met(conditions, scope, params=False)
        except ExpressionError as e:
            if ignores_failures:
                return False
            kind = attributes.kind
            raise forbidden_object(kind.plural, kind.group, attributes.object_name, str(e)) from e

    def met(self, conditions: Sequence[MatchCondition], scope: Mapping[str, Any], *, params: bool) -> bool:
        """Returns whether all conditions are true; false counts before an error. Raises ExpressionError."""
        budget, errors = Budget(CONDITIONS_BUDGET), []
        for condition in conditions:
            try:
                if budget.evaluate(self._compile(condition.expression.strip(), params), scope) is False:
                    return False
            except (ExpressionError, ValueError) as e:
                errors.append(str(e))
        if errors:
            raise ExpressionError(errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")
        return True


def _compiled(expression: str, params: bool) -> Program:
    from fairlead.api.admissionregistration.expressions import compile_expression

    return compile_expression(expression, result="bool", params=params)

"""A policy with its expressions compiled, and its bindings. Expressions are compiled at the policy's first use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fairlead.machinery.values.selectors import LabelRequirements, from_label_selector

if TYPE_CHECKING:
    from fairlead.api.admissionregistration.expressions import Result
    from fairlead.api.admissionregistration.policy import MatchResources
    from fairlead.cel.environment import Program


class Criteria:
    """The requests that a policy or a binding is about."""

    def __init__(self, spec: MatchResources) -> None:
        self.rules = spec.resourceRules
        self.excluded = spec.excludeResourceRules
        self.exact = spec.matchPolicy == "Exact"
        self.namespaces: LabelRequirements = from_label_selector(spec.namespaceSelector)
        self.objects: LabelRequirements = from_label_selector(spec.objectSelector)


class Binding:
    """A binding of a policy."""

    def __init__(self, obj: Any) -> None:
        self.name: str = obj.metadata.name
        self.spec = obj.spec
        self.criteria = Criteria(obj.spec.matchResources) if obj.spec.matchResources is not None else None


class Policy:
    """A policy with its bindings, of either kind."""

    def __init__(self, obj: Any, bindings: Sequence[Binding]) -> None:
        self.name: str = obj.metadata.name
        self.spec = obj.spec
        self.bindings = bindings
        self.criteria = Criteria(obj.spec.matchConstraints)

    @property
    def ignores_failures(self) -> bool:
        return bool(self.spec.failurePolicy == "Ignore")

    @property
    def has_params(self) -> bool:
        return self.spec.paramKind is not None

    @cached_property
    def variables(self) -> dict[str, Program]:
        """The variables by name. Raises ValueError."""
        from fairlead.api.admissionregistration.expressions import compile_expression

        found: dict[str, Program] = {}
        for variable in self.spec.variables:
            types = {name: program.type for name, program in found.items()}
            found[variable.name] = compile_expression(
                variable.expression, result="any", params=self.has_params, variables=types
            )
        return found

    @cached_property
    def compile(self) -> Callable[..., Program]:
        """Compiles an expression of the policy, once: `compile(expression, result, authorizer)`. Raises ValueError."""
        from functools import cache

        from fairlead.api.admissionregistration.expressions import compile_expression

        @cache
        def compiled(expression: str, result: Result, authorizer: bool = True) -> Program:
            types = {name: program.type for name, program in self.variables.items()}
            return compile_expression(
                expression, result=result, params=self.has_params, authorizer=authorizer, variables=types
            )

        return compiled

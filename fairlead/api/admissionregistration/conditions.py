"""Match conditions: expressions in CEL that further restrict what a webhook or a policy is called for."""

from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec

from fairlead.api.admissionregistration.expressions import expression_errors
from fairlead.api.meta.rules import too_many
from fairlead.api.meta.types import BY_NAME, Record
from fairlead.machinery.kinds.kind import Doc
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, invalid, required

_MOST = 64


class MatchCondition(Record):
    """Expression in CEL that must be true for a request, or the request is skipped."""

    name: Annotated[str, Doc("Name of the condition, unique within the list; used in logs and errors.")] = (
        msgspec.field(default_factory=str)
    )
    expression: Annotated[
        str, Doc("Expression in CEL with a Boolean result; sees object, oldObject, request, authorizer and params.")
    ] = msgspec.field(default_factory=str)


MatchConditions = Annotated[
    list[MatchCondition],
    BY_NAME,
    Doc("Conditions in CEL that must all be true for the request; at most 64, checked after rules and selectors."),
]


def condition_errors(conditions: Sequence[MatchCondition], path: str, *, params: bool) -> Iterator[FieldError]:
    """Yields the errors of a list of conditions; `params` says whether expressions may read `params`."""
    yield from too_many(len(conditions), _MOST, path)
    seen: set[str] = set()
    for i, condition in enumerate(conditions):
        where = f"{path}[{i}]"
        expression = condition.expression.strip()
        if not expression:
            yield required(f"{where}.expression")
        else:
            yield from expression_errors(expression, f"{where}.expression", result="bool", params=params)
        if not condition.name:
            yield required(f"{where}.name")
            continue
        yield from (invalid(f"{where}.name", condition.name, text) for text in names.qualified_name(condition.name))
        if condition.name in seen:
            yield duplicate(f"{where}.name", condition.name)
        seen.add(condition.name)

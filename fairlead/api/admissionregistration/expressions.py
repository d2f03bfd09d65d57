"""Checks of expressions in CEL: that they compile, with the variables of admission."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

from fairlead.machinery.values.status import FieldError

Result = Literal["bool", "string", "string or null", "any", "object", "patch"]


class NamedExpression(Protocol):
    """A variable: `variables.<name>` of later expressions."""

    name: str
    expression: str


def expression_errors(
    expression: str,
    path: str,
    *,
    result: Result,
    params: bool,
    authorizer: bool = True,
    variables: Sequence[NamedExpression] = (),
) -> Iterator[FieldError]:
    """Yields the error of an expression that does not compile to the given type of result."""
    yield from ()

"""Closures for the operators, calls, fields and indices of an expression.

Costs are those of cel-go, see `evaluator`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from fairlead.cel import costs, values
from fairlead.cel.errors import EvaluationError, no_overload
from fairlead.cel.frames import Evaluate, Frame, Invoke
from fairlead.cel.functions import Overload
from fairlead.cel.syntax import Call, Ident, Node, Select
from fairlead.cel.values import NONE, Optional

MISSING = object()
"""The value of a key that a map lacks, and of an expression that only an evaluation can give."""
_TOO_LARGE = 1 << 63
_INTEGERS: Mapping[str, Callable[[int, int], Any]] = {
    "_+_": operator.add,
    "_-_": operator.sub,
    "_<_": operator.lt,
    "_<=_": operator.le,
    "_>_": operator.gt,
    "_>=_": operator.ge,
}
_INTEGER_IDS = frozenset(
    ("add_int64", "subtract_int64", "less_int64", "less_equals_int64", "greater_int64", "greater_equals_int64")
)


def invocation(name: str, overloads: list[Overload], args: list[Evaluate]) -> Evaluate:
    ids = {overload.id for overload in overloads}
    fast = _INTEGERS.get(name)
    if fast is not None and len(args) == 2 and ids & _INTEGER_IDS:
        return _integers(fast, args[0], args[1], _invoke_any(name, overloads))
    invoke = _invoke_any(name, overloads)
    return lambda frame: invoke(frame, tuple([arg(frame) for arg in args]))


def _integers(compute: Callable[[int, int], Any], left: Evaluate, right: Evaluate, otherwise: Invoke) -> Evaluate:
    """Returns an operator that needs no choice of overload for two integers, which most operands are."""

    def evaluate(frame: Frame) -> Any:
        one, other = left(frame), right(frame)
        if type(one) is int and type(other) is int:
            value = compute(one, other)
            if -_TOO_LARGE <= value < _TOO_LARGE:
                frame.left -= 1
                return value
        return otherwise(frame, (one, other))

    return evaluate


def _invoke_any(name: str, overloads: list[Overload]) -> Invoke:
    sure = overloads[0] if len(overloads) == 1 else None
    cost_of = costs.call_cost

    def invoke(frame: Frame, given: tuple[Any, ...]) -> Any:
        for overload in (sure,) if sure is not None else overloads:
            if overload is not None and overload.accepts(given):
                result = overload.call(*given)
                frame.charge(cost_of(name, overload.id, given, result))
                return result
        raise no_overload()

    return invoke


def identifier(node: Ident) -> Evaluate:
    name, constant = node.name, node.constant
    if constant is not None:
        return lambda frame: constant

    def ident(frame: Frame) -> Any:
        frame.charge(1)
        try:
            value = frame.variables[name]
        except KeyError:
            raise EvaluationError(f"no such attribute(s): {name}") from None
        if callable(value):  # a variable whose value is computed on its first use
            value = frame.variables[name] = value()
        return value

    return ident


def field_of(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        found = value.get(key, MISSING)
        if found is MISSING:
            raise EvaluationError(f"no such key: {key}")
        return found
    raise no_overload()


def has_key(value: Any, key: str, absent_null: bool) -> bool:
    if isinstance(value, Optional):
        return value.has and has_key(value.inner, key, absent_null)
    if isinstance(value, Mapping):
        return value.get(key) is not None if absent_null else key in value
    raise no_overload()


def as_optional(value: Any) -> Optional:
    if not isinstance(value, Optional):
        raise no_overload()
    return value


def _index(frame: Frame, value: Any, index: Any) -> Any:
    if isinstance(value, Optional):
        return optional_item(frame, value, index)
    frame.charge(1)
    if isinstance(value, list | tuple):
        at = _position(index)
        if not 0 <= at < len(value):
            raise EvaluationError(f"index out of bounds: {at}")
        return value[at]
    return field_of(value, _key(index))


def optional_item(frame: Frame, value: Any, index: Any) -> Optional:
    if isinstance(value, Optional):
        if not value.has:
            return NONE
        value = value.inner
    if isinstance(value, list | tuple):
        at = _position(index)
        found = value[at] if 0 <= at < len(value) else MISSING
    elif isinstance(value, Mapping):
        found = value.get(_key(index), MISSING)
    else:
        raise no_overload()
    if found is MISSING:
        return NONE
    frame.charge(1)
    return Optional(found)


def _position(index: Any) -> int:
    if values.is_number(index) and index == int(index):
        return int(index)
    raise EvaluationError(f"unsupported index type '{values.type_of(index)}' in list")


def _key(index: Any) -> Any:
    # Python's dict does not tell true and 1 apart; JSON has string keys only.
    if isinstance(index, str | bool) or values.is_number(index):
        return index
    raise EvaluationError(f"unsupported key type: {values.type_of(index)}")


def add_entry(made: dict[Any, Any], key: Any, value: Any) -> None:
    if _key(key) in made:
        raise EvaluationError(f"insert failed: key {key} already exists")
    made[key] = value


def _and(left: Evaluate, right: Evaluate) -> Evaluate:
    return _short_circuit(left, right, decisive=False)


def _or(left: Evaluate, right: Evaluate) -> Evaluate:
    return _short_circuit(left, right, decisive=True)


def _short_circuit(left: Evaluate, right: Evaluate, *, decisive: bool) -> Evaluate:
    """Returns `&&` or `||`: the decisive value of either side makes up for an error of the other."""

    def evaluate(frame: Frame) -> bool:
        problem: EvaluationError | None = None
        for side in (left, right):
            try:
                value = side(frame)
            except EvaluationError as e:
                problem = problem or e
                continue
            if value is decisive:
                return bool(value)
            if not isinstance(value, bool):
                problem = problem or no_overload()
        if problem is not None:
            raise problem
        return not decisive

    return evaluate


def branch(node: Node, evaluate: Evaluate) -> Evaluate:
    """Returns a branch of `?:`. If it is a variable or a field, the name of the variable costs nothing."""
    root = node
    while isinstance(root, Select) or (isinstance(root, Call) and root.function == "_[_]"):
        root = root.operand if isinstance(root, Select) else root.args[0]
    if not isinstance(root, Ident):
        return evaluate

    def evaluate_free(frame: Frame) -> Any:
        frame.left += 1
        return evaluate(frame)

    return evaluate_free


def free_call(args: list[Evaluate], overloads: list[Overload]) -> Evaluate:
    """Returns a call without cost: `in` with a list of literals."""
    return lambda frame: call_first(overloads, tuple([arg(frame) for arg in args]))


def call_first(overloads: list[Overload], given: tuple[Any, ...]) -> Any:
    for overload in overloads:
        if overload.accepts(given):
            return overload.call(*given)
    raise no_overload()


def indexed(value: Evaluate, index: Evaluate) -> Evaluate:
    return lambda frame: _index(frame, value(frame), index(frame))


def conditional(condition: Evaluate, yes: Evaluate, no: Evaluate) -> Evaluate:
    def evaluate(frame: Frame) -> Any:
        value = condition(frame)
        if not isinstance(value, bool):
            raise no_overload()
        return yes(frame) if value else no(frame)

    return evaluate


def _equals(left: Evaluate, right: Evaluate, *, negate: bool = False) -> Evaluate:
    name = "_!=_" if negate else "_==_"

    def evaluate(frame: Frame) -> bool:
        one, other = left(frame), right(frame)
        frame.charge(costs.call_cost(name, "", (one, other), None))
        return values.equal(one, other) is not negate

    return evaluate


def _optional_or(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(frame: Frame) -> Any:
        value = as_optional(left(frame))
        return value if value.has else right(frame)

    return evaluate


def _or_value(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(frame: Frame) -> Any:
        value = as_optional(left(frame))
        return value.inner if value.has else right(frame)

    return evaluate


SPECIAL: Mapping[str, Callable[..., Evaluate]] = {
    "_&&_": _and,
    "_||_": _or,
    "_==_": _equals,
    "_!=_": lambda left, right: _equals(left, right, negate=True),
    "_[?_]": lambda value, index: lambda frame: optional_item(frame, value(frame), index(frame)),
    "or": _optional_or,
    "orValue": _or_value,
}
"""Functions that do not need all of their arguments, or whose overloads make no difference."""

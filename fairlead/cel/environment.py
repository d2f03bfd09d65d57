"""Declares variables, compiles expressions against them, and evaluates the result with a limit of cost.

    env = Environment({"self": schema_type, "oldSelf": schema_type})
    program = env.compile("self.replicas >= oldSelf.replicas", result=BOOL)
    program.evaluate({"self": new, "oldSelf": old}, limit=PER_CALL_LIMIT)

Compilation raises `CompileError`, evaluation raises `EvaluationError` or `CostExceededError`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from fairlead.cel import estimate
from fairlead.cel.checker import Checker
from fairlead.cel.errors import CompileError, CostExceededError, EvaluationError
from fairlead.cel.evaluator import Compiler
from fairlead.cel.frames import Evaluate, Frame
from fairlead.cel.functions import Functions, by_name
from fairlead.cel.libraries import authorization, jsonpatch, lists, networks, optionals, standard, strings, texts
from fairlead.cel.literals import check_literals
from fairlead.cel.parser import parse
from fairlead.cel.sizes import Range
from fairlead.cel.syntax import Ident, Node
from fairlead.cel.types import BOOL, DYN, STRING, Type
from fairlead.cel.walking import walk

__all__ = [
    "BOOL",
    "DYN",
    "PER_CALL_LIMIT",
    "STRING",
    "CompileError",
    "CostExceededError",
    "Environment",
    "EvaluationError",
    "Program",
    "Range",
    "ResultTypeError",
]

PER_CALL_LIMIT = 1_000_000
"""The greatest cost of one evaluation, about 0.1 s upstream."""


class Program:
    """A compiled expression."""

    __slots__ = ("_evaluate", "_node", "source", "type")

    def __init__(self, source: str, node: Node, evaluate: Evaluate) -> None:
        self.source = source
        self.type = node.type
        self._node = node
        self._evaluate = evaluate

    def evaluate(self, variables: Mapping[str, Any], *, limit: int = PER_CALL_LIMIT) -> Any:
        """Returns the value. A variable that is a function is called when it is first needed. Raises EvaluationError,
        CostExceededError."""
        return self.evaluate_counting(variables, limit=limit)[0]

    def evaluate_counting(self, variables: Mapping[str, Any], *, limit: int = PER_CALL_LIMIT) -> tuple[Any, int]:
        """Returns the value and the cost."""
        frame = Frame(variables, limit)
        try:
            value = self._evaluate(frame)
        except RecursionError:
            raise EvaluationError("the expression is nested too deeply") from None
        return value, limit - frame.left

    def estimate(self, root: Type) -> Range:
        """Returns the least and greatest cost, by the sizes that the type of `self` allows."""
        return estimate.estimate(self._node, root)

    def uses(self, *names: str) -> bool:
        """Returns whether the expression refers to one of the variables."""
        return any(isinstance(node, Ident) and node.name in names for node in walk(self._node))


class Environment:
    """Declared variables and struct types, with all function libraries that upstream enables."""

    def __init__(self, variables: Mapping[str, Type], *, structs: Mapping[str, Type] | None = None) -> None:
        self.variables = variables
        self.structs = structs or {}

    def extended(self, variables: Mapping[str, Type]) -> Environment:
        """Returns an environment with more variables."""
        return Environment({**self.variables, **variables}, structs=self.structs)

    def compile(self, source: str, *, result: Type | None = None) -> Program:
        """Compiles an expression; `result` is the type that it must have. Raises CompileError."""
        node = parse(source)
        Checker(self.variables, library(), self.structs).check(source, node)
        check_literals(source, node)
        if result is not None and not _is(node.type, result):
            raise ResultTypeError(result)
        return Program(source, node, Compiler(library(), self.structs).compile(node))


class ResultTypeError(CompileError):
    """The expression has another type than its use needs."""

    def __init__(self, expected: Type) -> None:
        super().__init__("", [])
        self.args = (f"must evaluate to {expected}",)


def _is(found: Type, expected: Type) -> bool:
    return found.same(expected) or expected.kind == "dyn"


@functools.cache
def library() -> Functions:
    """Returns all functions."""
    parts = (standard, optionals, strings, lists, texts, networks, authorization, jsonpatch)
    return by_name(overload for part in parts for overload in part.LIBRARY)

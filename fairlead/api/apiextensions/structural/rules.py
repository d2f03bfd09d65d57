"""Rules in CEL (`x-kubernetes-validations`): compiled once for a schema, evaluated for a value and its old value.

A rule that passes for the old value need not pass for a new one that is equal (ratcheting), unless it refers to
`oldSelf`. All rules of an object share one budget of cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.api.apiextensions.structural.fieldpath import FieldPathError, resolve
from fairlead.api.apiextensions.structural.node import RULES, Node, has_rules, nested_rules
from fairlead.api.apiextensions.structural.validation import key_of, same
from fairlead.base.dataclass import dataclass, field
from fairlead.cel.environment import (
    PER_CALL_LIMIT,
    CompileError,
    CostExceededError,
    Environment,
    EvaluationError,
    Program,
)
from fairlead.cel.schemas import Convert, SchemaType, conversion, schema_type, with_header
from fairlead.cel.types import BOOL, STRING, optional_of
from fairlead.cel.values import NONE, Optional
from fairlead.machinery.values.status import OMITTED, FieldError

BUDGET = 10_000_000
"""The greatest cost of all rules of one object."""
_LONGEST_MESSAGE = 5120
_NO_OLD = object()
_REASONS: Mapping[str, Any] = {
    "FieldValueForbidden": "Forbidden",
    "FieldValueRequired": "Required",
    "FieldValueDuplicate": "Duplicate",
    "FieldValueInvalid": "Invalid",
}


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One rule. `problem` is set instead of a program if the rule cannot be compiled."""

    rule: Mapping[str, Any]
    program: Program | None = None
    message: Program | None = None
    uses_old: bool = False
    problem: str = ""
    message_problem: str = ""
    field_path: str = ""

    @property
    def optional_old(self) -> bool:
        return bool(self.rule.get("optionalOldSelf"))

    @property
    def shown(self) -> str:
        return str(self.rule.get("message") or self.rule["rule"]).strip()

    @property
    def default_message(self) -> str:
        message = self.rule.get("message")
        return str(message).strip() if message else f"failed rule: {self.shown}"


def compile_rules(rules: Sequence[Mapping[str, Any]], node: Node, type: SchemaType) -> list[CompiledRule]:
    """Compiles the rules of one schema, whose type is given."""
    if type.type is None:
        return [CompiledRule(rule, problem="the schema lacks a type for rules") for rule in rules]
    env = Environment({"self": type.type, "oldSelf": type.type})
    optional_env = Environment({"self": type.type, "oldSelf": optional_of(type.type)})
    return [_compiled(rule, node, optional_env if rule.get("optionalOldSelf") else env) for rule in rules]


def _compiled(rule: Mapping[str, Any], node: Node, env: Environment) -> CompiledRule:
    text = rule.get("rule") or ""
    if not text.strip():
        return CompiledRule(rule)
    try:
        program = env.compile(text)
    except CompileError as e:
        return CompiledRule(rule, problem=_compile_text(e))
    if not program.type.same(BOOL):
        return CompiledRule(rule, problem="cel expression must evaluate to a bool")
    uses_old = program.uses("oldSelf")
    message, problem = _message(rule.get("messageExpression") or "", env)
    path = ""
    if rule.get("fieldPath"):
        try:
            path = resolve(rule["fieldPath"], node)[0]
        except FieldPathError:
            path = ""
    return CompiledRule(rule, program, message, uses_old, message_problem=problem, field_path=path)


def _message(text: str, env: Environment) -> tuple[Program | None, str]:
    if not text:
        return None, ""
    try:
        program = env.compile(text)
    except CompileError as e:
        return None, f"messageExpression {_compile_text(e)}"
    if not program.type.same(STRING):
        return None, "messageExpression must evaluate to a string"
    return program, ""


def _compile_text(error: CompileError) -> str:
    return f"compilation failed: {error}" if error.problems else str(error)


class Rules:
    """The rules of a schema and of all schemas within it."""

    __slots__ = ("additional", "all_of", "compiled", "convert", "items", "node", "properties", "type_name")

    def __init__(self, node: Node, *, root: bool = False, type: SchemaType | None = None) -> None:
        found = type if type is not None else schema_type(node.tree(), root=root)
        self.node = node
        self.type_name = node.own.get("type", "")
        rules = node.own.get(RULES) or ()
        self.compiled = compile_rules(rules, node, found) if rules else []
        tree = node.tree() if rules else {}
        self.convert: Convert | None = conversion(with_header(tree) if root else tree) if rules else None
        self.properties = {
            name: Rules(prop, root=prop.embedded, type=found.props.get(name))
            for name, prop in node.properties.items()
            if has_rules(prop)
        }
        self.additional = _of(node.additional, found.item)
        self.items = _of(node.items, found.item)
        self.all_of = [
            _Nested(schema, node, found, root=root) for schema in node.own.get("allOf") or () if nested_rules(schema)
        ]

    def errors(self, value: Any, path: str = "", *, old: Any = _NO_OLD) -> list[FieldError]:
        """Returns the errors of a value; unchanged parts need not pass again."""
        evaluation = Evaluation()
        self.evaluate(evaluation, value, path, old)
        return evaluation.errors

    def evaluate(self, evaluation: Evaluation, value: Any, path: str, old: Any) -> None:
        if value is None or evaluation.exhausted:
            return
        evaluation.run(self, value, path, old)
        for nested in self.all_of:
            nested.rules.evaluate(evaluation, value, path, old)
        if isinstance(value, dict):
            before: dict[str, Any] = (
                old if isinstance(old, dict) and self.node.map_type in ("", "granular", "atomic") else {}
            )
            for key, one in value.items():
                rules = self.properties.get(key)
                if rules is not None:
                    rules.evaluate(evaluation, one, f"{path}.{key}" if path else key, before.get(key, _NO_OLD))
                elif self.additional is not None and key not in self.node.properties:
                    self.additional.evaluate(evaluation, one, f"{path}[{key}]", before.get(key, _NO_OLD))
        elif isinstance(value, list) and self.items is not None:
            was = {}
            if self.node.keyed and isinstance(old, list):
                was = {key_of(item, self.node): item for item in old}
            for at, one in enumerate(value):
                earlier = was.get(key_of(one, self.node), _NO_OLD) if was else _NO_OLD
                self.items.evaluate(evaluation, one, f"{path}[{at}]", earlier)


def _of(node: Node | None, type: SchemaType | None) -> Rules | None:
    return Rules(node, root=node.embedded, type=type) if node is not None and has_rules(node) else None


class _Nested:
    """Rules within `allOf`: they see the type of the schema around."""

    __slots__ = ("rules",)

    def __init__(self, schema: Mapping[str, Any], node: Node, type: SchemaType, *, root: bool) -> None:
        self.rules = Rules(_merged(schema, node), root=root, type=type)


def _merged(schema: Mapping[str, Any], node: Node) -> Node:
    """Returns the schema around with the rules of the nested one only."""
    tree = {key: value for key, value in node.tree().items() if key not in (RULES, "allOf")}
    tree |= {key: schema[key] for key in (RULES, "allOf") if key in schema}
    found = Node(tree)
    below = schema.get("properties") or {}
    found.properties = {name: _merged(below.get(name) or {}, prop) for name, prop in node.properties.items()}
    if node.items is not None:
        found.items = _merged(schema.get("items") or {}, node.items)
    return found


@dataclass(slots=True)
class Evaluation:
    """The evaluation of all rules for one object."""

    left: int = BUDGET
    errors: list[FieldError] = field(default_factory=list)
    exhausted: bool = False

    def run(self, rules: Rules, value: Any, path: str, old: Any) -> None:
        if not rules.compiled:
            return
        has_old = old is not _NO_OLD and old is not None
        try:
            self_value = rules.convert(value) if rules.convert is not None else value
            old_value = (rules.convert(old) if rules.convert is not None else old) if has_old else None
        except EvaluationError as e:
            self.errors.append(FieldError(path or "<nil>", "Invalid", rules.type_name, str(e)))
            return
        unchanged = has_old and same(value, old)
        for rule in rules.compiled:
            if self.exhausted:
                return
            if rule.problem:
                self._invalid(path, rules, f"rule compile error: {rule.problem}")
            elif rule.program is not None and (not rule.uses_old or has_old or rule.optional_old):
                variables: dict[str, Any] = {"self": self_value}
                if rule.optional_old:
                    variables["oldSelf"] = Optional(old_value) if has_old else NONE
                elif has_old:
                    variables["oldSelf"] = old_value
                self._evaluate(rules, rule, variables, path, value=value, ratchet=unchanged and not rule.uses_old)

    def _invalid(self, path: str, rules: Rules, text: str) -> None:
        self.errors.append(FieldError(path or "<nil>", "Invalid", rules.type_name, text))

    def _evaluate(
        self, rules: Rules, rule: CompiledRule, variables: Mapping[str, Any], path: str, *, value: Any, ratchet: bool
    ) -> None:
        assert rule.program is not None
        try:
            passed, cost = rule.program.evaluate_counting(variables)
        except CostExceededError as e:
            self.exhausted = True
            why = "no further validation rules will be run due to call cost exceeds limit for rule"
            self._invalid(path, rules, f"'{e}': {why}: {rule.shown}")
            return
        except EvaluationError as e:
            if str(e).startswith("no such overload"):
                why = "call arguments did not match a supported operator, function or macro signature for rule"
                self._invalid(path, rules, f"'{e}': {why}: {rule.shown}")
            else:
                self._invalid(path, rules, f"{e} evaluating rule: {rule.shown}")
            return
        if self._charge(cost):
            why = "validation failed due to running out of cost budget, no further validation rules will be run"
            self._invalid(path, rules, why)
        elif passed is not True and not ratchet:
            self._failed(rules, rule, variables, path, value=value)

    def _charge(self, cost: int) -> bool:
        self.left -= cost
        self.exhausted = self.left < 0
        return self.exhausted

    def _failed(self, rules: Rules, rule: CompiledRule, variables: Mapping[str, Any], path: str, *, value: Any) -> None:
        at = (f"{path}.{rule.field_path}" if path else rule.field_path) if rule.field_path else path
        detail = rule.default_message
        if rule.message is not None:
            detail = self._text(rule.message, variables) or detail
        shown = OMITTED if rules.type_name in ("object", "array") else value
        kind = _REASONS.get(rule.rule.get("reason") or "", "Invalid")
        self.errors.append(FieldError(at or "<nil>", kind, shown, detail))

    def _text(self, message: Program, variables: Mapping[str, Any]) -> str:
        """Returns the evaluated message; empty if it fails or cannot be used."""
        try:
            text, cost = message.evaluate_counting(variables, limit=PER_CALL_LIMIT)
        except (EvaluationError, CostExceededError):
            return ""
        if self._charge(cost) or not isinstance(text, str):
            return ""
        text = text.strip()
        return "" if "\n" in text or len(text.encode()) > _LONGEST_MESSAGE else text

"""Checks of rules in CEL: whether they compile, and what they may cost at most.

A rule is refused if its estimated cost, times the number of values that it may be evaluated for, is above a limit;
all rules of a schema together have a limit too. The limits are upstream's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.api.apiextensions.customresourcedefinition.rule_costs import MOST, RULE_LIMIT, CostContext, too_much
from fairlead.api.apiextensions.structural.node import RULES, Node
from fairlead.api.apiextensions.structural.rules import CompiledRule, compile_rules
from fairlead.cel.schemas import MAX_REQUEST_BYTES, SchemaType
from fairlead.machinery.values.status import FieldError, forbidden, invalid

Tree = Mapping[str, Any]


def rule_errors(schema: Tree, path: str, context: CostContext, *, no_old: str) -> Iterator[FieldError]:
    """Yields the errors of compiling the rules of one schema, and of their cost."""
    type = context.type()
    rules = schema[RULES]
    for at, compiled in enumerate(compile_rules(rules, Node(schema), type)):
        here = f"{path}.{RULES}[{at}]"
        yield from _cost_errors(compiled, here, context, type)
        if compiled.problem:
            yield invalid(f"{here}.rule", _shown(rules[at]), compiled.problem)
        if compiled.message_problem:
            yield invalid(f"{here}.messageExpression", _shown(rules[at]), compiled.message_problem)
        if compiled.uses_old and no_old:
            text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {no_old}"
            yield invalid(f"{here}.rule", rules[at]["rule"], text)
        elif not compiled.uses_old and rules[at].get("optionalOldSelf") is not None:
            text = "may not be set if oldSelf is not used in rule"
            yield invalid(f"{here}.optionalOldSelf", rules[at]["optionalOldSelf"], text)


def _shown(rule: Tree) -> dict[str, Any]:
    """Returns a rule as upstream shows it: with the names of Go's fields, all of them."""
    texts = {"Rule": "rule", "Message": "message", "MessageExpression": "messageExpression"}
    return {
        **{name: rule.get(key) or "" for name, key in texts.items()},
        "Reason": rule.get("reason"),
        "FieldPath": rule.get("fieldPath") or "",
        "OptionalOldSelf": rule.get("optionalOldSelf"),
    }


def _cost_errors(compiled: CompiledRule, here: str, context: CostContext, type: SchemaType) -> Iterator[FieldError]:
    if compiled.program is None or type.type is None:
        return
    count = context.cardinality
    if count is None:
        count = MAX_REQUEST_BYTES // (type.min_size + 1)
    cost = min(compiled.program.estimate(type.type).high * count, MOST)
    if cost > RULE_LIMIT:
        yield forbidden(f"{here}.rule", too_much("estimated rule cost", cost, RULE_LIMIT))
    context.total.add(f"{here}.rule", cost)
    if compiled.message is not None:
        cost = compiled.message.estimate(type.type).high
        if cost > RULE_LIMIT:
            text = too_much("estimated messageExpression cost", cost, RULE_LIMIT)
            yield forbidden(f"{here}.messageExpression", text)
        context.total.add(f"{here}.messageExpression", cost)

"""Checks expressions of validating policies against the types of the resources that the policies name.

The result is advice in the policy's status: evaluation takes objects as they are. Wildcards and subresources are not
checked, nor are rules beyond the first ten types, as upstream.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fairlead.api.admissionregistration.validatingadmissionpolicy.kind import (
    ExpressionWarning,
    ValidatingAdmissionPolicy,
)
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.schemas.schema import Schema, TypeInfo

if TYPE_CHECKING:
    from fairlead.cel.types import StructField, Type

_MOST_TYPES = 10


def expression_warnings(policy: ValidatingAdmissionPolicy, scheme: Scheme) -> list[ExpressionWarning]:
    """Returns what is wrong with the types in expressions of `spec.validations`."""
    kinds = _kinds(policy, scheme)
    if not kinds:
        return []
    known = [(_shown(kind), _known_as(kind, _param_kind(policy, scheme))) for kind in kinds]
    found: list[ExpressionWarning] = []
    for index, validation in enumerate(policy.spec.validations):
        for field in ("expression", "messageExpression"):
            expression = getattr(validation, field)
            problems = list(_problems(policy, expression, known)) if expression else []
            if problems:
                path = f"spec.validations[{index}].{field}"
                found.append(ExpressionWarning(fieldRef=path, warning="\n".join(problems)))
    return found


def _problems(
    policy: ValidatingAdmissionPolicy, expression: str, known: list[tuple[str, dict[str, Type]]]
) -> Iterator[str]:
    from fairlead.api.admissionregistration.expressions import compile_expression, variable_types

    params = policy.spec.paramKind is not None
    for shown, types in known:
        variables = variable_types(policy.spec.variables, params=params, known_as=types)
        try:
            compile_expression(expression, result="any", params=params, variables=variables, known_as=types)
        except ValueError as e:
            yield f"{shown}: {e}\n"


def _kinds(policy: ValidatingAdmissionPolicy, scheme: Scheme) -> list[Kind[Any]]:
    """Returns the kinds of the resources that the policy names, ordered."""
    found: dict[tuple[str, str, str], Kind[Any]] = {}
    constraints = policy.spec.matchConstraints
    for rule in constraints.resourceRules if constraints is not None else ():
        if any("*" in text for text in (*rule.apiGroups, *rule.apiVersions)):
            continue
        named = [
            scheme.by_resource(group, version, resource)
            for group in sorted(rule.apiGroups)
            for version in sorted(rule.apiVersions)
            for resource in sorted(rule.resources)
            if "*" not in resource and "/" not in resource
        ]
        for kind in [kind for kind in named if kind is not None][:_MOST_TYPES]:
            found[kind.group, kind.version, kind.kind] = kind
    return [found[key] for key in sorted(found)]


def _param_kind(policy: ValidatingAdmissionPolicy, scheme: Scheme) -> Kind[Any] | None:
    wanted = policy.spec.paramKind
    if wanted is None:
        return None
    group, _, version = wanted.apiVersion.rpartition("/")
    return scheme.by_gvk(group, version, wanted.kind)


def _shown(kind: Kind[Any]) -> str:
    return f"{kind.group}/{kind.version}, Kind={kind.kind}"


def _known_as(kind: Kind[Any], params: Kind[Any] | None) -> dict[str, Type]:
    own = _struct(kind.schema, kind.kind)
    known = {"object": own, "oldObject": own}
    if params is not None:
        known["params"] = _struct(params.schema, params.kind)
    return known


def _struct(schema: Schema, name: str) -> Type:
    """Returns the type of a schema's objects. Names of types are paths, so that no two types share one."""
    from fairlead.cel.schemas import escape
    from fairlead.cel.types import StructField, Type

    def fields() -> dict[str, StructField]:
        return {
            escape(field.name): StructField(_type(field.type, f"{name}.{field.name}"), field.name)
            for field in schema.fields.values()
            if escape(field.name)
        }

    return Type("struct", name, fields=fields)


def _type(info: TypeInfo, name: str) -> Type:
    from fairlead.cel import types

    match info.shape:
        case "struct" if info.schema is not None:
            return _struct(info.schema, name)
        case "list" if info.item is not None:
            return types.list_of(_type(info.item, f"{name}.@item"))
        case "map" if info.item is not None:
            return types.map_of(types.STRING, _type(info.item, f"{name}.@elem"))
        case "string":
            return types.TIMESTAMP if info.format.startswith("date-time") else types.STRING
        case "bool":
            return types.BOOL
        case "int":
            return types.INT
        case "float":
            return types.DOUBLE
        case "bytes":
            return types.BYTES
        case _:
            return types.DYN

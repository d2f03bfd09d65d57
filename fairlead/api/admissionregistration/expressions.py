"""Expressions in CEL of webhooks and policies: their variables and types, compilation, and the checks of a new object.

What must stay true: an expression that the API accepts compiles again when it is evaluated, because both use
`compile_expression`. The engine is imported with the first expression.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from fairlead.machinery.values.status import FieldError, invalid

if TYPE_CHECKING:
    from fairlead.cel.environment import Environment, Program
    from fairlead.cel.types import Type

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
    known = variable_types(variables, params=params)
    try:
        compile_expression(expression, result=result, params=params, authorizer=authorizer, variables=known)
    except ValueError as e:
        yield invalid(path, expression, str(e))


def variable_types(
    variables: Sequence[NamedExpression], *, params: bool, known_as: Mapping[str, Type] | None = None
) -> dict[str, Type]:
    """Returns the types of variables; each may use those before it. A variable with an error has any type, because
    the error is reported for the variable."""
    from fairlead.cel.types import DYN

    known: dict[str, Type] = {}
    for variable in variables:
        try:
            known[variable.name] = compile_expression(
                variable.expression, result="any", params=params, variables=known, known_as=known_as
            ).type
        except ValueError:
            known[variable.name] = DYN
    return known


def compile_expression(
    expression: str,
    *,
    result: Result,
    params: bool,
    authorizer: bool = True,
    variables: Mapping[str, Type] | None = None,
    known_as: Mapping[str, Type] | None = None,
) -> Program:
    """Compiles an expression; `known_as` has the types of `object`, `oldObject` and `params`, which have any type
    otherwise. Raises ValueError with upstream's text."""
    from fairlead.cel.environment import CompileError

    patch = result in ("object", "patch")
    environment = _environment(params, authorizer, patch)
    if known_as:
        environment = environment.extended(known_as)
    if variables is not None:
        from fairlead.cel import types

        environment = environment.extended({"variables": types.struct("kubernetes.variables", variables)})
    try:
        program = environment.compile(expression)
    except CompileError as e:
        raise ValueError(f"compilation failed: {e}") from e
    if problem := _result_problem(program.type, result):
        raise ValueError(problem)
    return program


def _result_problem(found: Type, result: Result) -> str:
    from fairlead.cel import types

    expected = {
        "bool": [types.BOOL],
        "string": [types.STRING],
        "string or null": [types.STRING, types.NULL],
        "any": [],
        "object": [types.struct("Object", {})],
        "patch": [types.list_of(types.struct("JSONPatch", {}))],
    }[result]
    if not expected or any(found.same(one) for one in expected):
        return ""
    if len(expected) == 1:
        return f"must evaluate to {expected[0]} but got {found}"
    return f"must evaluate to one of [{' '.join(one.name for one in expected)}] but got {found}"


@functools.cache
def _environment(params: bool, authorizer: bool, patch: bool) -> Environment:
    from fairlead.cel import types
    from fairlead.cel.environment import Environment
    from fairlead.cel.libraries.authorization import Authorizer, ResourceCheck

    variables = {
        "object": types.DYN,
        "oldObject": types.DYN,
        "request": _request_type(),
        "namespaceObject": _namespace_type(),
    }
    if params:
        variables["params"] = types.DYN
    if authorizer:
        variables["authorizer"] = Authorizer.cel_type
        variables["authorizer.requestResource"] = ResourceCheck.cel_type
    return Environment(variables, structs=_PatchStructs() if patch else None)


def _request_type() -> Type:
    """Returns the type of `request`: upstream's `AdmissionRequest` without the objects."""
    from fairlead.cel.types import BOOL, DYN, STRING, list_of, map_of, struct

    kind = struct("kubernetes.GroupVersionKind", dict.fromkeys(("group", "version", "kind"), STRING))
    resource = struct("kubernetes.GroupVersionResource", dict.fromkeys(("group", "version", "resource"), STRING))
    texts = list_of(STRING)
    user = {"username": STRING, "uid": STRING, "groups": texts, "extra": map_of(STRING, texts)}
    names = ("subResource", "requestSubResource", "name", "namespace", "operation")
    fields = dict.fromkeys(names, STRING) | {
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "userInfo": struct("kubernetes.UserInfo", user),
        "dryRun": BOOL,
        "options": DYN,
    }
    return struct("kubernetes.AdmissionRequest", fields)


def _namespace_type() -> Type:
    """Returns the type of `namespaceObject`."""
    from fairlead.cel.types import INT, STRING, TIMESTAMP, list_of, map_of, struct

    texts, labels = list_of(STRING), map_of(STRING, STRING)
    names = ("name", "generateName", "namespace", "UID", "resourceVersion")
    metadata = dict.fromkeys(names, STRING) | {
        "labels": labels,
        "annotations": labels,
        "generation": INT,
        "creationTimestamp": TIMESTAMP,
        "deletionTimestamp": TIMESTAMP,
        "deletionGracePeriodSeconds": INT,
        "finalizers": texts,
    }
    parts = {
        "metadata": struct("kubernetes.NamespaceMetadata", metadata),
        "spec": struct("kubernetes.NamespaceSpec", {"finalizers": texts}),
        "status": struct("kubernetes.NamespaceStatus", {"phase": STRING}),
    }
    return struct("kubernetes.Namespace", parts)


class _AnyFields(dict[str, Any]):
    """The fields of an `Object` type: every name, of any type; admission checks the values when it merges them."""

    def get(self, key: str, default: Any = None) -> Any:
        from fairlead.cel.types import DYN, StructField

        return StructField(DYN, key)

    def __missing__(self, key: str) -> Any:
        return self.get(key)

    def __bool__(self) -> bool:
        return True


class _PatchStructs(dict[str, "Type"]):
    """The struct types of mutations: `JSONPatch`, `Object`, and `Object.<field>` for every path of fields."""

    def get(self, name: str, default: Any = None) -> Any:
        from fairlead.cel.types import DYN, STRING, Type, struct

        if name == "JSONPatch":
            return struct(name, {"op": STRING, "path": STRING, "from": STRING, "value": DYN})
        if name == "Object" or name.startswith("Object."):
            return Type("struct", name, fields=_AnyFields())
        return default

    def __missing__(self, name: str) -> Type:
        found: Type | None = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __bool__(self) -> bool:
        return True

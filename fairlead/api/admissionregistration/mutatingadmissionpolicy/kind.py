"""The MutatingAdmissionPolicy kind: changes of objects as expressions in CEL."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.admissionregistration.conditions import MatchConditions, condition_errors
from fairlead.api.admissionregistration.expressions import expression_errors
from fairlead.api.admissionregistration.policy import (
    REINVOCATION_POLICIES,
    MatchConstraintsField,
    ParamKindField,
    Variable,
    constraint_errors,
    default_match,
    failure_policy_errors,
    param_kind_errors,
    shown_param_kind,
    variable_errors,
)
from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.types import Object, Record
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Strategy
from fairlead.machinery.values.status import FieldError, invalid, not_supported, required

_PATCH_TYPES = ("ApplyConfiguration", "JSONPatch")


class ApplyConfiguration(Record):
    """Change of an object as a configuration that is merged like a server-side apply."""

    expression: Annotated[str, Doc("Expression in CEL with an object as its result, such as Object{spec: ...}.")] = ""


class JSONPatch(Record):
    """Change of an object as a JSON patch (RFC 6902)."""

    expression: Annotated[str, Doc("Expression in CEL with a list of JSONPatch{op: ..., path: ...} as its result.")] = (
        ""
    )


class Mutation(Record):
    """One change of the object, by one of two kinds of patches."""

    patchType: Annotated[str, Doc("Kind of the patch: ApplyConfiguration or JSONPatch.")] = msgspec.field(
        default_factory=str
    )
    applyConfiguration: (
        Annotated[ApplyConfiguration, Doc("Configuration to merge, if patchType is ApplyConfiguration.")] | None
    ) = None
    jsonPatch: Annotated[JSONPatch, Doc("JSON patch to apply, if patchType is JSONPatch.")] | None = None


class MutatingAdmissionPolicySpec(Record):
    """Requests that a policy is about, and the changes that it makes."""

    paramKind: ParamKindField = None
    matchConstraints: MatchConstraintsField = None
    variables: Annotated[
        list[Variable], Atomic(), Doc("Named expressions for use in other expressions; each may use those before it.")
    ] = []
    mutations: Annotated[
        list[Mutation], Atomic(), Doc("Changes that are applied to the object, in the order of the list.")
    ] = []
    failurePolicy: (
        Annotated[str, Doc("Effect of an expression's error: Fail (default) refuses the request, Ignore skips it.")]
        | None
    ) = None
    matchConditions: MatchConditions = []
    reinvocationPolicy: Annotated[
        str, Doc("Set to IfNeeded to apply the policy again if others changed the object after it; else Never.")
    ] = ""


class MutatingAdmissionPolicy(Object):
    """Changes in CEL that are made to the objects of requests; in force for the requests that bindings select."""

    spec: Annotated[MutatingAdmissionPolicySpec, Doc("Desired behavior of the policy.")] = msgspec.field(
        default_factory=MutatingAdmissionPolicySpec
    )


def _default(policy: MutatingAdmissionPolicy) -> MutatingAdmissionPolicy:
    spec = policy.spec
    spec.failurePolicy = "Fail" if spec.failurePolicy is None else spec.failurePolicy
    default_match(spec.matchConstraints)
    return policy


def _rules(policy: MutatingAdmissionPolicy) -> Iterator[FieldError]:
    spec = policy.spec
    params = spec.paramKind is not None
    yield from failure_policy_errors(spec.failurePolicy, "spec.failurePolicy")
    if spec.paramKind is not None:
        yield from param_kind_errors(spec.paramKind, "spec.paramKind")
    yield from constraint_errors(spec.matchConstraints, "spec.matchConstraints", mutates=True)
    yield from condition_errors(spec.matchConditions, "spec.matchConditions", params=params)
    yield from variable_errors(spec.variables, "spec.variables", params=params)
    if not spec.mutations:
        yield required("spec.mutations", "mutations must contain at least one item")
    for i, mutation in enumerate(spec.mutations):
        yield from _mutation_errors(mutation, f"spec.mutations[{i}]", spec)
    if not spec.reinvocationPolicy:
        yield required("spec.reinvocationPolicy")
    elif spec.reinvocationPolicy not in REINVOCATION_POLICIES:
        yield not_supported("spec.reinvocationPolicy", spec.reinvocationPolicy, REINVOCATION_POLICIES)


def _mutation_errors(mutation: Mutation, path: str, spec: MutatingAdmissionPolicySpec) -> Iterator[FieldError]:
    if not mutation.patchType:
        yield required(f"{path}.patchType")
        return
    if mutation.patchType not in _PATCH_TYPES:
        yield not_supported(f"{path}.patchType", mutation.patchType, _PATCH_TYPES)
        return
    given = {"applyConfiguration": mutation.applyConfiguration, "jsonPatch": mutation.jsonPatch}
    used, unused = ("jsonPatch", "applyConfiguration")
    if mutation.patchType == "ApplyConfiguration":
        used, unused = unused, used
    patch = given[used]
    if patch is None:
        yield required(f"{path}.{used}", f"must be specified when patchType is {mutation.patchType}")
    elif not patch.expression.strip():
        yield required(f"{path}.{used}.expression")
    else:
        yield from expression_errors(
            patch.expression.strip(),
            f"{path}.{used}.expression",
            result="object" if used == "applyConfiguration" else "patch",
            params=spec.paramKind is not None,
            variables=spec.variables,
        )
    if given[unused] is not None:
        text = f"must not be specified when patchType is {mutation.patchType}"
        yield invalid(f"{path}.{unused}", f"{{{unused}}}", text)


STRATEGY: Strategy[MutatingAdmissionPolicy] = Strategy(
    type=MutatingAdmissionPolicy,
    unconditional_update=False,
    qualified_finalizers=False,
    columns=(
        NAME,
        Column(
            "Mutations",
            lambda policy, _: len(policy.spec.mutations),
            type="integer",
            doc="Number of changes that the policy makes.",
        ),
        Column(
            "ParamKind",
            lambda policy, _: shown_param_kind(policy.spec.paramKind),
            doc="Kind of the objects that parametrize the policy.",
        ),
        AGE,
    ),
    default=_default,
    rules=_rules,
)

"""The ValidatingAdmissionPolicy kind: expressions in CEL that requests must satisfy."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.admissionregistration.conditions import MatchConditions, condition_errors
from fairlead.api.admissionregistration.expressions import expression_errors
from fairlead.api.admissionregistration.policy import (
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
from fairlead.api.meta.types import BY_NAME, BY_TYPE, Condition, Int64, Object, Record
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Strategy
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, invalid, not_supported, required

_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_MOST_ANNOTATIONS = 20
_LONGEST_VALUE = 5 * 1024


class Validation(Record):
    """Expression in CEL that must be true, with the message for requests for which it is false."""

    expression: Annotated[str, Doc("Expression in CEL with a Boolean result; false is a violation of the policy.")] = (
        msgspec.field(default_factory=str)
    )
    message: Annotated[
        str, Doc('Message about a violation, on one line; default "failed expression: <expression>".')
    ] = ""
    reason: (
        Annotated[str, Doc("Reason of the refusal: Invalid (default), Forbidden or RequestEntityTooLarge.")] | None
    ) = None
    messageExpression: Annotated[
        str, Doc("Expression in CEL that computes the message about a violation; used instead of `message`.")
    ] = ""


class AuditAnnotation(Record):
    """Annotation that the policy adds to the audit records of requests."""

    key: Annotated[str, Doc("Name of the annotation; the full key is <name of the policy>/<key>.")] = msgspec.field(
        default_factory=str
    )
    valueExpression: Annotated[
        str, Doc("Expression in CEL that computes the value: a string, or null for no annotation.")
    ] = msgspec.field(default_factory=str)


class ValidatingAdmissionPolicySpec(Record):
    """Requests that a policy is about, and the expressions that they must satisfy."""

    paramKind: ParamKindField = None
    matchConstraints: MatchConstraintsField = None
    validations: Annotated[
        list[Validation], Atomic(), Doc("Expressions that must all be true for a request to be allowed.")
    ] = []
    failurePolicy: (
        Annotated[str, Doc("Effect of an expression's error: Fail (default) counts as a violation, Ignore does not.")]
        | None
    ) = None
    auditAnnotations: Annotated[
        list[AuditAnnotation], Atomic(), Doc("Annotations for the audit records of requests; at most 20.")
    ] = []
    matchConditions: MatchConditions = []
    variables: Annotated[
        list[Variable], BY_NAME, Doc("Named expressions for use in other expressions; each may use those before it.")
    ] = []


class ExpressionWarning(Record):
    """Result of checking the types of one expression."""

    fieldRef: Annotated[str, Doc("Path of the field with the expression.")] = msgspec.field(default_factory=str)
    warning: Annotated[str, Doc("Type that the expression was checked against, and the error, line by line.")] = (
        msgspec.field(default_factory=str)
    )


class TypeChecking(Record):
    """Results of checking the types of a policy's expressions against the matched resources."""

    expressionWarnings: Annotated[
        list[ExpressionWarning], Atomic(), Doc("Warnings by expression; none if all types are right.")
    ] = []


class ValidatingAdmissionPolicyStatus(Record):
    """State of a policy as the system observed it."""

    observedGeneration: Annotated[Int64, Doc("Value of metadata.generation that the status is about.")] = 0
    typeChecking: (
        Annotated[TypeChecking, Doc("Results of the check of types; present after the check is complete.")] | None
    ) = None
    conditions: Annotated[list[Condition], BY_TYPE, Doc("Conditions of the policy by type.")] = []


class ValidatingAdmissionPolicy(Object):
    """Rules in CEL that may refuse requests; in force for the requests that bindings select."""

    spec: Annotated[ValidatingAdmissionPolicySpec, Doc("Desired behavior of the policy.")] = msgspec.field(
        default_factory=ValidatingAdmissionPolicySpec
    )
    status: Annotated[
        ValidatingAdmissionPolicyStatus, Doc("Most recently observed state of the policy; written by the system.")
    ] = msgspec.field(default_factory=ValidatingAdmissionPolicyStatus)


def _default(policy: ValidatingAdmissionPolicy) -> ValidatingAdmissionPolicy:
    spec = policy.spec
    spec.failurePolicy = "Fail" if spec.failurePolicy is None else spec.failurePolicy
    default_match(spec.matchConstraints)
    return policy


def _rules(policy: ValidatingAdmissionPolicy) -> Iterator[FieldError]:
    spec = policy.spec
    params = spec.paramKind is not None
    yield from failure_policy_errors(spec.failurePolicy, "spec.failurePolicy")
    if spec.paramKind is not None:
        yield from param_kind_errors(spec.paramKind, "spec.paramKind")
    yield from constraint_errors(spec.matchConstraints, "spec.matchConstraints", mutates=False)
    yield from condition_errors(spec.matchConditions, "spec.matchConditions", params=params)
    yield from variable_errors(spec.variables, "spec.variables", params=params)
    if not spec.validations and not spec.auditAnnotations:
        text = "validations or auditAnnotations must contain at least one item"
        yield required("spec.validations", text)
        yield required("spec.auditAnnotations", text)
    for i, validation in enumerate(spec.validations):
        yield from _validation_errors(validation, f"spec.validations[{i}]", spec)
    yield from _annotations_errors(policy, "spec.auditAnnotations")


def _validation_errors(validation: Validation, path: str, spec: ValidatingAdmissionPolicySpec) -> Iterator[FieldError]:
    params = spec.paramKind is not None
    if not validation.expression.strip():
        yield required(f"{path}.expression", "expression is not specified")
    else:
        yield from expression_errors(
            validation.expression, f"{path}.expression", result="bool", params=params, variables=spec.variables
        )
    message = validation.messageExpression
    if message and not message.strip():
        yield invalid(f"{path}.messageExpression", message, "must be non-empty if specified")
    elif message:
        yield from expression_errors(
            message,
            f"{path}.messageExpression",
            result="string",
            params=params,
            authorizer=False,
            variables=spec.variables,
        )
    if validation.message and not validation.message.strip():
        yield invalid(f"{path}.message", validation.message, "must be non-empty if specified")
    elif "\n" in validation.message.strip() or "\r" in validation.message.strip():
        yield invalid(f"{path}.message", validation.message, "must not contain line breaks")
    if validation.reason is not None and validation.reason not in _REASONS:
        yield not_supported(f"{path}.reason", validation.reason, _REASONS)


def _annotations_errors(policy: ValidatingAdmissionPolicy, path: str) -> Iterator[FieldError]:
    annotations = policy.spec.auditAnnotations
    if len(annotations) > _MOST_ANNOTATIONS:
        shown = [msgspec.to_builtins(annotation) for annotation in annotations]
        yield invalid(path, shown, f"must not have more than {_MOST_ANNOTATIONS} auditAnnotations")
    seen: set[str] = set()
    for i, annotation in enumerate(annotations):
        yield from _annotation_errors(annotation, f"{path}[{i}]", policy)
        if annotation.key in seen:
            yield duplicate(f"{path}[{i}].key", annotation.key)
        seen.add(annotation.key)


def _annotation_errors(
    annotation: AuditAnnotation, path: str, policy: ValidatingAdmissionPolicy
) -> Iterator[FieldError]:
    name = policy.metadata.name
    if name:
        full = f"{name}/{annotation.key}"
        yield from (invalid(f"{path}.key", full, text) for text in names.qualified_name(full))
    else:
        yield invalid(f"{path}.key", annotation.key, "requires metadata.name be non-empty")
    expression = annotation.valueExpression.strip()
    if not expression:
        yield required(f"{path}.valueExpression", "valueExpression is not specified")
    elif len(expression.encode()) > _LONGEST_VALUE:
        yield required(f"{path}.valueExpression", f"must not exceed {_LONGEST_VALUE} bytes in length")
    else:
        yield from expression_errors(
            expression,
            f"{path}.valueExpression",
            result="string or null",
            params=policy.spec.paramKind is not None,
            variables=policy.spec.variables,
        )


def _transition(_: ValidatingAdmissionPolicy, new: ValidatingAdmissionPolicy) -> Iterator[FieldError]:
    checking = new.status.typeChecking
    for i, warning in enumerate(checking.expressionWarnings if checking is not None else ()):
        path = f"status.typeChecking.expressionWarnings[{i}]"
        if not warning.warning:
            yield required(f"{path}.warning")
        if not warning.fieldRef.strip():
            yield required(f"{path}.fieldRef")


STRATEGY: Strategy[ValidatingAdmissionPolicy] = Strategy(
    type=ValidatingAdmissionPolicy,
    unconditional_update=False,
    qualified_finalizers=False,
    columns=(
        NAME,
        Column(
            "Validations",
            lambda policy, _: len(policy.spec.validations),
            type="integer",
            doc="Number of expressions that requests must satisfy.",
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
    transition=_transition,
)

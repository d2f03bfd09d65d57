"""The parts that mutating and validating policies share: matched resources, parameters, variables, bindings."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Protocol

import msgspec

from fairlead.api.admissionregistration.expressions import expression_errors
from fairlead.api.admissionregistration.operations import NamedRules, default_rule, named_rule_errors
from fairlead.api.meta.columns import AGE, NAME, render_selector
from fairlead.api.meta.rules import label_selector
from fairlead.api.meta.types import LabelSelector, Record
from fairlead.machinery.kinds.kind import Atomic, Column, Doc
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, forbidden, invalid, not_supported, required

FAILURE_POLICIES = ("Fail", "Ignore")
REINVOCATION_POLICIES = ("IfNeeded", "Never")
_MATCH_POLICIES = ("Equivalent", "Exact")
_NOT_FOUND_ACTIONS = ("Allow", "Deny")
_MUTABLE_OPERATIONS = ("*", "CONNECT", "CREATE", "UPDATE")
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*", re.ASCII)
_RESERVED = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
"""Words that cannot be identifiers (CEL's language definition, "Syntax")."""


class MatchResources(Record):
    """Requests that a policy or a binding is about."""

    namespaceSelector: (
        Annotated[LabelSelector, Doc("Label selector of the namespaces whose objects are matched; all if empty.")]
        | None
    ) = None
    objectSelector: (
        Annotated[
            LabelSelector, Doc("Label selector of matched objects, met by the new or the old object; all if empty.")
        ]
        | None
    ) = None
    resourceRules: Annotated[
        NamedRules, Doc("Operations on resources that are matched; any matching rule is sufficient.")
    ] = []
    excludeResourceRules: Annotated[
        NamedRules, Doc("Operations on resources that are never matched, even if `resourceRules` match them.")
    ] = []
    matchPolicy: (
        Annotated[
            str,
            Doc("Match of other versions of the resources: Equivalent (default) converts, Exact skips such requests."),
        ]
        | None
    ) = None


class ParamKind(Record):
    """Kind of the objects that parametrize a policy."""

    apiVersion: Annotated[str, Doc("API group and version of the parameters' kind, as group/version.")] = ""
    kind: Annotated[str, Doc("Name of the parameters' kind, in CamelCase.")] = ""


class ParamRef(Record):
    """Objects that a binding gives to its policy as parameters."""

    name: Annotated[str, Doc("Name of the single object to use; excludes `selector`.")] = ""
    namespace: Annotated[
        str, Doc("Namespace of the parameters; if empty, the namespace of the object that the request is about.")
    ] = ""
    selector: (
        Annotated[LabelSelector, Doc("Label selector of the objects to use, each of which is applied.")] | None
    ) = None
    parameterNotFoundAction: (
        Annotated[str, Doc("Effect if no parameter exists: Allow ignores the binding, Deny counts as a failure.")]
        | None
    ) = None


class Variable(Record):
    """Named expression that other expressions of the policy use as variables.<name>."""

    name: Annotated[str, Doc("Name of the variable, an identifier of CEL.")] = msgspec.field(default_factory=str)
    expression: Annotated[str, Doc("Expression in CEL that computes the value at the first use.")] = msgspec.field(
        default_factory=str
    )


ParamKindField = (
    Annotated[ParamKind, Atomic(), Doc("Kind of the objects that parametrize the policy; none if absent.")] | None
)
ParamRefField = Annotated[ParamRef, Atomic(), Doc("Objects that parametrize the policy for this binding.")] | None
MatchResourcesField = (
    Annotated[MatchResources, Atomic(), Doc("Requests that the binding restricts the policy to; all if absent.")] | None
)
MatchConstraintsField = Annotated[MatchResources, Atomic(), Doc("Requests that the policy is about.")] | None


class BindingSpec(Protocol):
    """The fields of the bindings of both kinds of policies."""

    policyName: str
    paramRef: ParamRef | None
    matchResources: MatchResources | None


def default_match(match: MatchResources | None) -> None:
    """Fills in upstream's defaults."""
    if match is None:
        return
    match.matchPolicy = "Equivalent" if match.matchPolicy is None else match.matchPolicy
    match.namespaceSelector = match.namespaceSelector or LabelSelector()
    match.objectSelector = match.objectSelector or LabelSelector()
    for rule in (*match.resourceRules, *match.excludeResourceRules):
        default_rule(rule)


def failure_policy_errors(value: str | None, path: str) -> Iterator[FieldError]:
    """Yields the errors of a policy's `failurePolicy`."""
    if value is None:
        yield required(path)
    elif value not in FAILURE_POLICIES:
        yield not_supported(path, value, FAILURE_POLICIES)


def param_kind_errors(kind: ParamKind, path: str) -> Iterator[FieldError]:
    """Yields the errors of the kind of parameters."""
    if not kind.apiVersion:
        yield required(f"{path}.apiVersion")
    else:
        yield from _api_version_errors(kind.apiVersion, f"{path}.apiVersion")
    if not kind.kind:
        yield required(f"{path}.kind")
    elif texts := names.dns1035_label(kind.kind.lower()):
        text = f"may have mixed case, but should otherwise match: {','.join(texts)}"
        yield invalid(f"{path}.kind", kind.kind, text)


def _api_version_errors(value: str, path: str) -> Iterator[FieldError]:
    if value.count("/") > 1:
        yield invalid(path, value, f"unexpected GroupVersion string: {value}")
        return
    group, _, version = "" if value == "/" else value.rpartition("/")[0], "", value.rpartition("/")[2]
    if group and (texts := names.dns1123_subdomain(group)):
        yield invalid(path, group, ",".join(texts))
    if not version:
        yield invalid(path, value, "version must be specified")
    elif texts := names.dns1035_label(version):
        yield invalid(path, version, ",".join(texts))


def constraint_errors(match: MatchResources | None, path: str, *, mutates: bool) -> Iterator[FieldError]:
    """Yields the errors of a policy's `matchConstraints`."""
    if match is None:
        yield required(path)
        return
    yield from match_errors(match, path)
    if not match.resourceRules:
        yield required(f"{path}.resourceRules")
    if mutates:
        yield from mutable_errors(match, path)


def match_errors(match: MatchResources, path: str) -> Iterator[FieldError]:
    """Yields the errors of matched resources."""
    if match.matchPolicy is None:
        yield required(f"{path}.matchPolicy")
    elif match.matchPolicy not in _MATCH_POLICIES:
        yield not_supported(f"{path}.matchPolicy", match.matchPolicy, _MATCH_POLICIES)
    for field in ("namespaceSelector", "objectSelector"):
        selector: LabelSelector | None = getattr(match, field)
        if selector is None:
            yield required(f"{path}.{field}")
        else:
            yield from label_selector(selector, f"{path}.{field}")
    for i, rule in enumerate(match.resourceRules):
        yield from named_rule_errors(rule, f"{path}.resourceRules[{i}]")
    for i, rule in enumerate(match.excludeResourceRules):
        yield from named_rule_errors(rule, f"{path}.excludeResourceRules[{i}]")


def mutable_errors(match: MatchResources, path: str) -> Iterator[FieldError]:
    """Yields an error for each operation that cannot be mutated."""
    for rule in match.resourceRules:
        for operation in rule.operations:
            if operation not in _MUTABLE_OPERATIONS:
                yield not_supported(f"{path}.resourceRules.operations", operation, _MUTABLE_OPERATIONS)


def variable_errors(variables: Sequence[Variable], path: str, *, params: bool) -> Iterator[FieldError]:
    """Yields the errors of variables; each may use those before it."""
    for i, variable in enumerate(variables):
        where = f"{path}[{i}]"
        if not variable.name.strip():
            yield required(f"{where}.name", "name is not specified")
        elif not _IDENTIFIER.fullmatch(variable.name) or variable.name in _RESERVED:
            yield invalid(f"{where}.name", variable.name, "must be a valid CEL identifier")
        if not variable.expression.strip():
            yield required(f"{where}.expression", "expression is not specified")
        else:
            yield from expression_errors(
                variable.expression, f"{where}.expression", result="any", params=params, variables=variables[:i]
            )


def binding_errors(spec: BindingSpec, *, mutates: bool) -> Iterator[FieldError]:
    """Yields the errors of a binding."""
    if not spec.policyName:
        yield required("spec.policyName")
    for text in names.dns1123_subdomain(spec.policyName) if spec.policyName else ():
        yield invalid("spec.policyName", spec.policyName, text)
    if spec.paramRef is not None:
        yield from _param_ref_errors(spec.paramRef, "spec.paramRef")
    if spec.matchResources is not None:
        yield from match_errors(spec.matchResources, "spec.matchResources")
        if mutates:
            yield from mutable_errors(spec.matchResources, "spec.matchResources")


def _param_ref_errors(ref: ParamRef, path: str) -> Iterator[FieldError]:
    exclusive = "name and selector are mutually exclusive"
    if ref.name:
        yield from (invalid(f"{path}.name", ref.name, text) for text in names.path_segment(ref.name))
        if ref.selector is not None:
            yield forbidden(f"{path}.name", exclusive)
    if ref.selector is not None:
        yield from label_selector(ref.selector, f"{path}.selector")
        if ref.name:
            yield forbidden(f"{path}.selector", exclusive)
    if not ref.name and ref.selector is None:
        yield required(path, "one of name or selector must be specified")
    if not ref.parameterNotFoundAction:
        yield required(f"{path}.parameterNotFoundAction")
    elif ref.parameterNotFoundAction not in _NOT_FOUND_ACTIONS:
        yield not_supported(f"{path}.parameterNotFoundAction", ref.parameterNotFoundAction, _NOT_FOUND_ACTIONS)


def shown_param_kind(kind: ParamKind | None) -> str:
    """Returns the cell of a policy's table."""
    return f"{kind.apiVersion}/{kind.kind}" if kind is not None else "<unset>"


def _shown_param_ref(ref: ParamRef | None) -> str:
    if ref is not None and ref.name:
        return f"{ref.namespace or '*'}/{ref.name}"
    if ref is not None and ref.selector is not None:
        return render_selector(ref.selector)
    return "<unset>"


BINDING_COLUMNS: tuple[Column[Any], ...] = (
    NAME,
    Column(
        "PolicyName", lambda found, _: found.spec.policyName, doc="Name of the policy that the binding puts in force."
    ),
    Column(
        "ParamRef",
        lambda found, _: _shown_param_ref(found.spec.paramRef),
        doc="Objects that parametrize the policy for this binding.",
    ),
    AGE,
)

"""The ValidatingAdmissionPolicyBinding kind: puts a policy in force, with parameters and actions."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.admissionregistration.policy import (
    BINDING_COLUMNS,
    MatchResourcesField,
    ParamRefField,
    binding_errors,
    default_match,
)
from fairlead.api.meta.types import Object, Record, empty_list
from fairlead.machinery.kinds.kind import Doc, SetList, Strategy
from fairlead.machinery.values.status import FieldError, duplicate, invalid, not_supported, required

_ACTIONS = ("Audit", "Deny", "Warn")
_BOTH = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response and "
    "headers serves no purpose)"
)


class ValidatingAdmissionPolicyBindingSpec(Record):
    """Policy of a binding, its parameters, and the actions for violations."""

    policyName: Annotated[str, Doc("Name of the ValidatingAdmissionPolicy that the binding puts in force.")] = (
        msgspec.field(default_factory=str)
    )
    paramRef: ParamRefField = None
    matchResources: MatchResourcesField = None
    validationActions: Annotated[
        list[str],
        SetList(),
        Doc("Actions for violations: Deny refuses the request, Warn warns the client, Audit annotates the record."),
    ] = msgspec.field(default_factory=empty_list)


class ValidatingAdmissionPolicyBinding(Object):
    """Puts a ValidatingAdmissionPolicy in force, with parameters, for some or all requests that it is about."""

    spec: Annotated[ValidatingAdmissionPolicyBindingSpec, Doc("Desired behavior of the binding.")] = msgspec.field(
        default_factory=ValidatingAdmissionPolicyBindingSpec
    )


def _default(binding: ValidatingAdmissionPolicyBinding) -> ValidatingAdmissionPolicyBinding:
    default_match(binding.spec.matchResources)
    return binding


def _rules(binding: ValidatingAdmissionPolicyBinding) -> Iterator[FieldError]:
    yield from binding_errors(binding.spec, mutates=False)
    actions, path = binding.spec.validationActions, "spec.validationActions"
    for i, action in enumerate(actions):
        if action not in _ACTIONS:
            yield not_supported(f"{path}[{i}]", action, _ACTIONS)
        if action in actions[:i]:
            yield duplicate(f"{path}[{i}]", action)
    if "Deny" in actions and "Warn" in actions:
        yield invalid(path, actions, _BOTH)
    if not actions:
        yield required(path, "at least one validation action is required")


STRATEGY: Strategy[ValidatingAdmissionPolicyBinding] = Strategy(
    type=ValidatingAdmissionPolicyBinding,
    unconditional_update=False,
    qualified_finalizers=False,
    columns=BINDING_COLUMNS,
    default=_default,
    rules=_rules,
)

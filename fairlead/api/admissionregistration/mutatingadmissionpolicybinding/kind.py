"""The MutatingAdmissionPolicyBinding kind: puts a policy in force, with parameters."""

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
from fairlead.api.meta.types import Object, Record
from fairlead.machinery.kinds.kind import Doc, Strategy
from fairlead.machinery.values.status import FieldError


class MutatingAdmissionPolicyBindingSpec(Record):
    """Policy of a binding, its parameters, and the requests that it restricts the policy to."""

    policyName: Annotated[str, Doc("Name of the MutatingAdmissionPolicy that the binding puts in force.")] = ""
    paramRef: ParamRefField = None
    matchResources: MatchResourcesField = None


class MutatingAdmissionPolicyBinding(Object):
    """Puts a MutatingAdmissionPolicy in force, with parameters, for some or all requests that it is about."""

    spec: Annotated[MutatingAdmissionPolicyBindingSpec, Doc("Desired behavior of the binding.")] = msgspec.field(
        default_factory=MutatingAdmissionPolicyBindingSpec
    )


def _default(binding: MutatingAdmissionPolicyBinding) -> MutatingAdmissionPolicyBinding:
    default_match(binding.spec.matchResources)
    return binding


def _rules(binding: MutatingAdmissionPolicyBinding) -> Iterator[FieldError]:
    yield from binding_errors(binding.spec, mutates=True)


STRATEGY: Strategy[MutatingAdmissionPolicyBinding] = Strategy(
    type=MutatingAdmissionPolicyBinding,
    unconditional_update=False,
    qualified_finalizers=False,
    columns=BINDING_COLUMNS,
    default=_default,
    rules=_rules,
)

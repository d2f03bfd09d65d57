"""The ResourceClaimTemplate kind: a claim that is made for each pod. No component makes claims from it yet."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.rules import unchanged
from fairlead.api.meta.types import Object, ObjectMeta, Record
from fairlead.api.resource.devices.rules import claim_errors, default_claim
from fairlead.api.resource.devices.types import ResourceClaimSpec
from fairlead.machinery.kinds.kind import Doc, Strategy
from fairlead.machinery.kinds.metadata import check_annotations, check_labels
from fairlead.machinery.values.status import FieldError


class ResourceClaimTemplateSpec(Record):
    """Metadata and spec of the claims that are made from a template."""

    metadata: Annotated[ObjectMeta, Doc("Labels and annotations of the claims; other fields are not copied.")] = (
        msgspec.field(default_factory=ObjectMeta)
    )
    spec: Annotated[ResourceClaimSpec, Doc("Spec of the claims, copied without a change.")] = msgspec.field(
        default_factory=ResourceClaimSpec
    )


class ResourceClaimTemplate(Object):
    """Template of claims that are made for pods. Fairlead stores the template and makes no claims."""

    spec: Annotated[ResourceClaimTemplateSpec, Doc("Metadata and spec of the claims; immutable.")] = msgspec.field(
        default_factory=ResourceClaimTemplateSpec
    )


def _default(found: ResourceClaimTemplate) -> ResourceClaimTemplate:
    default_claim(found.spec.spec.devices)
    return found


def _rules(found: ResourceClaimTemplate) -> Iterator[FieldError]:
    meta = found.spec.metadata
    yield from check_annotations(meta.annotations, "spec.metadata.annotations")
    yield from check_labels(meta.labels, "spec.metadata.labels")
    yield from claim_errors(found.spec.spec.devices, "spec.spec.devices")


def _transition(old: ResourceClaimTemplate, new: ResourceClaimTemplate) -> Iterator[FieldError]:
    yield from unchanged(old.spec, new.spec, "spec")


STRATEGY: Strategy[ResourceClaimTemplate] = Strategy(
    type=ResourceClaimTemplate,
    columns=(NAME, AGE),
    default=_default,
    rules=_rules,
    transition=_transition,
)

"""The PodTemplate kind: a stored template of pods, which no controller of Kubernetes reads."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.core.pod.spec import PodTemplateSpec
from fairlead.api.core.pod.template import (
    container_images,
    container_names,
    default_pod_spec,
    pod_warnings,
    template_errors,
)
from fairlead.api.meta.columns import NAME, or_none, render_labels
from fairlead.api.meta.types import Object
from fairlead.machinery.kinds.kind import Column, Doc, Strategy
from fairlead.machinery.values.status import FieldError


class PodTemplate(Object):
    """Stored template of pods, for programs that create pods from it."""

    template: Annotated[PodTemplateSpec, Doc("Template of the pods: their metadata and their desired state.")] = (
        msgspec.field(default_factory=PodTemplateSpec)
    )


def _default(found: PodTemplate) -> PodTemplate:
    default_pod_spec(found.template.spec)
    return found


def _rules(found: PodTemplate) -> Iterator[FieldError]:
    yield from template_errors(found.template, "template")


STRATEGY: Strategy[PodTemplate] = Strategy(
    type=PodTemplate,
    changes_generation=lambda old, new: old.template != new.template,
    columns=(
        NAME,
        Column(
            "Containers",
            lambda found, _: container_names(found.template.spec.containers),
            doc="Names of the containers in the pod template.",
        ),
        Column(
            "Images",
            lambda found, _: container_images(found.template.spec.containers),
            doc="Images of the containers in the pod template.",
        ),
        Column(
            "Pod Labels",
            lambda found, _: or_none(render_labels(found.template.metadata.labels)),
            doc="Labels of pods that are created from the template.",
        ),
    ),
    default=_default,
    rules=_rules,
    warnings=lambda found: pod_warnings(found.metadata, found.template.spec, "template."),
)

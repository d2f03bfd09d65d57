"""Checks that all workloads with a pod template share."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fairlead.api.core.pod.spec import PodTemplateSpec
from fairlead.api.core.pod.template import template_errors
from fairlead.api.meta.rules import label_selector
from fairlead.api.meta.types import LabelSelector
from fairlead.machinery.values.selectors import from_label_selector
from fairlead.machinery.values.status import FieldError, StatusError, forbidden, invalid, not_supported

# Upstream says "deployment" for replica sets too.
_EMPTY = "empty selector is invalid for deployment"


def workload_errors(selector: LabelSelector | None, template: PodTemplateSpec) -> Iterator[FieldError]:
    """Yields errors of a selector and a template, and of a mismatch between them.

    The marker `Required` on the field reports an absent selector.
    """
    if selector is not None:
        yield from label_selector(selector, "spec.selector")
        if not selector.matchLabels and not selector.matchExpressions:
            yield invalid("spec.selector", {}, _EMPTY)
    try:
        finds = selector is not None and from_label_selector(selector).matches(template.metadata.labels)
    except StatusError:
        yield invalid("spec.selector", msgspec.to_builtins(selector), "invalid label selector")
    else:
        if not finds:
            text = "`selector` does not match template `labels`"
            yield invalid("spec.template.metadata.labels", template.metadata.labels, text)
    yield from template_errors(template, "spec.template")
    policy = template.spec.restartPolicy
    if policy in ("OnFailure", "Never"):
        yield not_supported("spec.template.spec.restartPolicy", policy, ("Always",))
    if template.spec.activeDeadlineSeconds is not None:
        text = "activeDeadlineSeconds in ReplicaSet is not Supported"
        yield forbidden("spec.template.spec.activeDeadlineSeconds", text)

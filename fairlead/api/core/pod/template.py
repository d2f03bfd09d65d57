"""The interface of pod templates for workloads: defaults, checks, warnings and columns.

Other kinds import only this module and the types of pods, none of the modules with rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.defaults import default_pod_spec
from fairlead.api.core.pod.rules import template_errors
from fairlead.api.core.pod.warnings import pod_warnings
from fairlead.api.meta.columns import render_selector
from fairlead.machinery.kinds.kind import Column

__all__ = ["TEMPLATE", "container_images", "container_names", "default_pod_spec", "pod_warnings", "template_errors"]


def container_names(containers: Sequence[Container]) -> str:
    return ",".join(c.name for c in containers)


def container_images(containers: Sequence[Container]) -> str:
    return ",".join(c.image for c in containers)


TEMPLATE: tuple[Column[Any], ...] = (
    Column(
        "Containers",
        lambda found, _: container_names(found.spec.template.spec.containers),
        wide=True,
        doc="Names of the containers in the pod template.",
    ),
    Column(
        "Images",
        lambda found, _: container_images(found.spec.template.spec.containers),
        wide=True,
        doc="Images of the containers in the pod template.",
    ),
    Column(
        "Selector",
        lambda found, _: render_selector(found.spec.selector),
        wide=True,
        doc="Label selector of the workload's pods.",
    ),
)
"""Columns of kinds that create pods from a template and select them by labels."""

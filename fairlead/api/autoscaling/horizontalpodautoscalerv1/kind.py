"""The HorizontalPodAutoscaler kind in its first version: one metric, the use of cpu.

Facts for which the first version lacks a field stand in annotations, so that old clients can read and write an
autoscaler without loss.
"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.autoscaling.horizontalpodautoscaler.kind import COLUMNS, autoscaler_transition
from fairlead.api.autoscaling.horizontalpodautoscaler.rules import autoscaler_errors, version_errors
from fairlead.api.autoscaling.horizontalpodautoscaler.types import HorizontalPodAutoscaler as Hub
from fairlead.api.autoscaling.horizontalpodautoscalerv1.conversion import to_storage
from fairlead.api.autoscaling.horizontalpodautoscalerv1.types import (
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerStatus,
)
from fairlead.api.meta.columns import AGE, NAME
from fairlead.machinery.kinds.kind import Column, Strategy
from fairlead.machinery.values.status import FieldError


def _default(found: HorizontalPodAutoscaler) -> HorizontalPodAutoscaler:
    if found.spec.minReplicas is None:
        found.spec.minReplicas = 1
    return found


def _prepare_create(found: HorizontalPodAutoscaler) -> HorizontalPodAutoscaler:
    found.status = HorizontalPodAutoscalerStatus()
    return found


def _rules(found: HorizontalPodAutoscaler) -> Iterator[FieldError]:
    yield from autoscaler_errors(to_storage(found))


def _create_rules(found: HorizontalPodAutoscaler) -> Iterator[FieldError]:
    yield from version_errors(to_storage(found).spec)


def _transition(old: HorizontalPodAutoscaler, new: HorizontalPodAutoscaler) -> Iterator[FieldError]:
    yield from autoscaler_transition(to_storage(old), to_storage(new))


def _converted(column: Column[Hub]) -> Column[HorizontalPodAutoscaler]:
    """Returns a column of the storage version with its cells converted from this version."""
    return Column(column.name, lambda found, now: column.cell(to_storage(found), now), doc=column.doc)


STRATEGY: Strategy[HorizontalPodAutoscaler] = Strategy(
    type=HorizontalPodAutoscaler,
    columns=(NAME, *map(_converted, COLUMNS[1:-1]), AGE),
    default=_default,
    prepare_create=_prepare_create,
    rules=_rules,
    create_rules=_create_rules,
    transition=_transition,
)

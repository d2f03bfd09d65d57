"""The PodDisruptionBudget kind: bounds the pods of an application that evictions may take away at a time.

Source of the rules and their texts: upstream's validation of policy.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.amounts import amount_errors, whole_errors
from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.rules import label_selector, not_negative
from fairlead.api.meta.types import BY_TYPE, Condition, Int32, Int64, IntOrString, LabelSelector, Object, Record, Time
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Strategy
from fairlead.machinery.values.status import FieldError, invalid, not_supported

_POLICIES = ("AlwaysAllow", "IfHealthyBudget")


class PodDisruptionBudgetSpec(Record):
    """Bound of the pods that evictions may take away, and the choice of the pods."""

    maxUnavailable: (
        Annotated[
            IntOrString, Doc("Greatest number or percentage of pods that may be unavailable; excludes `minAvailable`.")
        ]
        | None
    ) = None
    minAvailable: (
        Annotated[
            IntOrString,
            Doc("Smallest number or percentage of pods that must stay available; excludes `maxUnavailable`."),
        ]
        | None
    ) = None
    selector: (
        Annotated[
            LabelSelector, Atomic(), Doc("Label selector of the budget's pods; an empty one selects the namespace.")
        ]
        | None
    ) = None
    unhealthyPodEvictionPolicy: (
        Annotated[
            str,
            Doc("Eviction of pods that are not ready: IfHealthyBudget (default, by the budget) or AlwaysAllow."),
        ]
        | None
    ) = None


class PodDisruptionBudgetStatus(Record):
    """Most recently observed state of a budget: its counts of pods and the disruptions allowed."""

    currentHealthy: Annotated[Int32, Doc("Number of the budget's pods that are healthy.")] = msgspec.field(
        default_factory=int
    )
    desiredHealthy: Annotated[Int32, Doc("Number of pods that must stay healthy.")] = msgspec.field(default_factory=int)
    disruptionsAllowed: Annotated[Int32, Doc("Number of pods that may be evicted at present.")] = msgspec.field(
        default_factory=int
    )
    expectedPods: Annotated[Int32, Doc("Number of pods that the budget counts.")] = msgspec.field(default_factory=int)
    conditions: Annotated[
        list[Condition], BY_TYPE, Doc("Most recent observations of the budget, such as DisruptionAllowed.")
    ] = []
    disruptedPods: Annotated[
        dict[str, Time], Doc("Pods whose eviction was granted and that are not seen to be gone, with the times.")
    ] = {}
    observedGeneration: Annotated[Int64, Doc("Value of metadata.generation that the controller last acted on.")] = 0


class PodDisruptionBudget(Object):
    """Bounds the number of an application's pods that evictions may take away at a time."""

    spec: Annotated[PodDisruptionBudgetSpec, Doc("Bound of the budget and the choice of its pods.")] = msgspec.field(
        default_factory=PodDisruptionBudgetSpec
    )
    status: Annotated[
        PodDisruptionBudgetStatus, Doc("Most recently observed state of the budget; written by the system.")
    ] = msgspec.field(default_factory=PodDisruptionBudgetStatus)


def _prepare_create(budget: PodDisruptionBudget) -> PodDisruptionBudget:
    budget.status = PodDisruptionBudgetStatus()
    return budget


def _rules(budget: PodDisruptionBudget) -> Iterator[FieldError]:
    spec = budget.spec
    if spec.minAvailable is not None and spec.maxUnavailable is not None:
        yield invalid("spec", to_tree(spec), "minAvailable and maxUnavailable cannot be both set")
    for name in ("minAvailable", "maxUnavailable"):
        amount = getattr(spec, name)
        if amount is not None:
            yield from amount_errors(amount, f"spec.{name}")
            yield from whole_errors(amount, f"spec.{name}")
    if spec.selector is not None:
        yield from label_selector(spec.selector, "spec.selector")
    policy = spec.unhealthyPodEvictionPolicy
    if policy is not None and policy not in _POLICIES:
        yield not_supported("spec.unhealthyPodEvictionPolicy", policy, _POLICIES)
    for name in ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"):
        yield from not_negative(getattr(budget.status, name), f"status.{name}")


def _shown(amount: int | str | None) -> str:
    return "N/A" if amount is None else str(amount)


def _minimum(budget: PodDisruptionBudget, _: Instant) -> str:
    return _shown(budget.spec.minAvailable)


def _maximum(budget: PodDisruptionBudget, _: Instant) -> str:
    return _shown(budget.spec.maxUnavailable)


STRATEGY: Strategy[PodDisruptionBudget] = Strategy(
    type=PodDisruptionBudget,
    unconditional_update=False,
    columns=(
        NAME,
        Column("Min Available", _minimum, doc="Smallest number of pods that must stay available."),
        Column("Max Unavailable", _maximum, doc="Greatest number of pods that may be unavailable."),
        Column(
            "Allowed Disruptions",
            lambda budget, _: budget.status.disruptionsAllowed,
            type="integer",
            doc="Number of pods that may be evicted at present.",
        ),
        AGE,
    ),
    prepare_create=_prepare_create,
    rules=_rules,
)

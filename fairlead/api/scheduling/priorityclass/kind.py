"""The PriorityClass kind: a name for a priority of pods.

Source of the rules and their texts: upstream's validation of PriorityClass.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.types import Int32, Object, ObjectMeta
from fairlead.machinery.kinds.checks import IMMUTABLE_TEXT
from fairlead.machinery.kinds.kind import Column, Doc, Kind
from fairlead.machinery.values.status import FieldError, forbidden, invalid, not_supported, required

PREEMPT_LOWER_PRIORITY = "PreemptLowerPriority"
_POLICIES = ("Never", PREEMPT_LOWER_PRIORITY)
_HIGHEST_OF_USERS = 1_000_000_000
_SYSTEM_PREFIX = "system-"


class PriorityClass(Object):
    """Name for a priority that pods can refer to."""

    value: Annotated[Int32, Doc("Priority of pods that use the class; a higher number is more important.")] = (
        msgspec.field(default_factory=int)
    )
    globalDefault: Annotated[
        bool,
        Doc("Set to true to make the class the default of pods without one; at most one class may be the default."),
    ] = False
    description: Annotated[str, Doc("Explanation, for people, of the purpose of the class.")] = ""
    preemptionPolicy: (
        Annotated[
            str,
            Doc(
                "Preemption by pods of the class: PreemptLowerPriority (default) or Never; Fairlead's scheduler "
                "never preempts."
            ),
        ]
        | None
    ) = None


SYSTEM_CLASSES = (
    ("system-node-critical", 2_000_001_000, "For pods of the system that must stay on their node."),
    ("system-cluster-critical", 2_000_000_000, "For pods of the system that the cluster needs, on whatever node."),
)
"""Name, value and description of the classes that every cluster has."""


def _initial() -> list[PriorityClass]:
    return [
        PriorityClass(metadata=ObjectMeta(name=name), value=value, description=text)
        for name, value, text in SYSTEM_CLASSES
    ]


def _default(priority_class: PriorityClass) -> PriorityClass:
    if priority_class.preemptionPolicy is None:
        priority_class.preemptionPolicy = PREEMPT_LOWER_PRIORITY
    return priority_class


def _rules(priority_class: PriorityClass) -> Iterator[FieldError]:
    name = priority_class.metadata.name
    if name.startswith(_SYSTEM_PREFIX):
        if why := _system_problem(priority_class):
            text = f"priority class names with '{_SYSTEM_PREFIX}' prefix are reserved for system use only. error: {why}"
            yield forbidden("metadata.name", text)
    elif priority_class.value > _HIGHEST_OF_USERS:
        yield forbidden("value", f"maximum allowed value of a user defined priority is {_HIGHEST_OF_USERS}")
    if priority_class.preemptionPolicy == "":
        yield required("preemptionPolicy")
    elif priority_class.preemptionPolicy not in (None, *_POLICIES):
        yield not_supported("preemptionPolicy", priority_class.preemptionPolicy, _POLICIES)


def _system_problem(priority_class: PriorityClass) -> str:
    """Returns the difference between the object and the system's class of its name; empty if they are equal."""
    name = priority_class.metadata.name
    value = next((value for known, value, _ in SYSTEM_CLASSES if known == name), None)
    if value is None:
        return f"{name} is not a known system priority class"
    if priority_class.value != value:
        return f"value of {name} PriorityClass must be {value}"
    return f"globalDefault of {name} PriorityClass must be false" if priority_class.globalDefault else ""


def _transition(old: PriorityClass, new: PriorityClass) -> Iterator[FieldError]:
    if old.value != new.value:
        yield forbidden("value", "may not be changed in an update.")
    if old.preemptionPolicy != new.preemptionPolicy:
        yield invalid("preemptionPolicy", new.preemptionPolicy, IMMUTABLE_TEXT)


PRIORITY_CLASS = Kind(
    type=PriorityClass,
    kind="PriorityClass",
    group="scheduling.k8s.io",
    plural="priorityclasses",
    storage_path="priorityclasses",
    singular="priorityclass",
    short_names=("pc",),
    namespaced=False,
    generation=True,
    changes_generation=lambda old, new: False,  # upstream sets 1 and does not count updates
    initial=_initial,
    undeletable={name: "this is a system priority class and cannot be deleted" for name, _, _ in SYSTEM_CLASSES},
    columns=(
        NAME,
        Column("Value", lambda found, _: found.value, type="integer", doc="Priority of pods that use the class."),
        Column(
            "Global-Default",
            lambda found, _: found.globalDefault,
            type="boolean",
            doc="True if pods without a class get this class.",
        ),
        AGE,
        Column(
            "PreemptionPolicy", lambda found, _: found.preemptionPolicy or "", doc="Preemption by pods of the class."
        ),
    ),
    default=_default,
    rules=_rules,
    transition=_transition,
)

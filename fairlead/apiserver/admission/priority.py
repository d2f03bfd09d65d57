"""Sets the priority of new Pods from their PriorityClass, and allows at most one default PriorityClass.

Source: upstream's admission plug-in Priority.
"""

from __future__ import annotations

from typing import Any

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.spec import PodSpec
from fairlead.api.scheduling.priorityclass.kind import PREEMPT_LOWER_PRIORITY, PRIORITY_CLASS, PriorityClass
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.machinery.kinds.kind import Kind

_NO_CLASS = PriorityClass(value=0, preemptionPolicy=PREEMPT_LOWER_PRIORITY)


class Priority(AdmissionPlugin):
    """Sets and checks priorities from the stored PriorityClasses."""

    name = "Priority"

    def __init__(self, resources: Resources) -> None:
        self._classes = resources.of(PRIORITY_CLASS).cache

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation in ("CREATE", "UPDATE") and kind in (POD, PRIORITY_CLASS) and not subresource

    async def admit(self, attributes: Attributes) -> None:
        if attributes.kind is not POD:
            return
        pod: Pod = attributes.obj
        if attributes.operation == "UPDATE":
            _carry_over(attributes.old.spec, pod.spec)
        elif why := self._complete(pod.spec):
            raise attributes.denied(why)

    async def validate(self, attributes: Attributes) -> None:
        if attributes.kind is PRIORITY_CLASS and (why := self._second_default(attributes.obj)):
            raise attributes.denied(why)

    def _complete(self, spec: PodSpec) -> str:
        """Fills in class, priority and preemption policy of a new Pod. Returns why the Pod is refused, or ""."""
        priority_class = self._class_of(spec.priorityClassName)
        if priority_class is None:
            return f"no PriorityClass with name {spec.priorityClassName} was found"
        spec.priorityClassName = priority_class.metadata.name
        if spec.priority not in (None, priority_class.value):
            return _given("integer value of priority", spec.priority, priority_class.value)
        spec.priority = priority_class.value
        if priority_class.preemptionPolicy is not None:
            if spec.preemptionPolicy not in (None, priority_class.preemptionPolicy):
                return _given(
                    "string value of PreemptionPolicy", spec.preemptionPolicy, priority_class.preemptionPolicy
                )
            spec.preemptionPolicy = priority_class.preemptionPolicy
        return ""

    def _second_default(self, candidate: PriorityClass) -> str:
        """Returns why a class with `globalDefault` is refused, or ""."""
        other = self._default() if candidate.globalDefault else None
        if other is None or other.metadata.uid == candidate.metadata.uid:
            return ""
        return f"PriorityClass {other.metadata.name} is already marked as default. Only one default can exist"

    def _class_of(self, name: str) -> PriorityClass | None:
        if not name:
            return self._default() or _NO_CLASS
        entry = self._classes.get(name)
        return entry.decode() if entry is not None else None

    def _default(self) -> PriorityClass | None:
        """Returns the default class; the one with the lowest value if a race created several."""
        # Every new Pod comes here, and a search of the bytes rules out nearly all classes without decoding them.
        entries = (entry for entry in self._classes.select() if b'"globalDefault":true' in entry.raw)
        classes: list[PriorityClass] = [entry.decode() for entry in entries]
        return min((c for c in classes if c.globalDefault), key=lambda c: c.value, default=None)


def _carry_over(old: PodSpec, new: PodSpec) -> None:
    """Copies the Pod's priority and preemption policy into an update that leaves them out."""
    if new.priority is None:
        new.priority = old.priority
    if new.preemptionPolicy is None:
        new.preemptionPolicy = old.preemptionPolicy


def _given(what: str, given: object, computed: object) -> str:
    text = f"the {what} ({given}) must not be provided in pod spec; priority admission controller computed"
    return f"{text} {computed} from the given PriorityClass name"

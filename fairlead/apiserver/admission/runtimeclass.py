"""Completes new Pods with the overhead and the scheduling of their runtime class, and refuses contradictions.

Source: upstream's admission plug-in RuntimeClass and its texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.placement.affinity import Toleration
from fairlead.api.node.runtimeclass import RUNTIME_CLASS
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.machinery.kinds.kind import Kind

if TYPE_CHECKING:
    from fairlead.api.node.runtimeclass.kind import RuntimeClass

_OTHER_OVERHEAD = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
_ORPHANED_OVERHEAD = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"


class RuntimeClasses(AdmissionPlugin):
    """Completes Pods from their RuntimeClass."""

    name = "RuntimeClass"

    def __init__(self, resources: Resources) -> None:
        self._classes = resources.of(RUNTIME_CLASS).cache

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation == "CREATE" and kind is POD and not subresource

    async def admit(self, attributes: Attributes) -> None:
        pod: Pod = attributes.obj
        found = self._class_of(attributes)
        if found is None:
            return
        if found.overhead is not None:
            if pod.spec.overhead and pod.spec.overhead != found.overhead.podFixed:
                raise attributes.denied(_OTHER_OVERHEAD)
            pod.spec.overhead = dict(found.overhead.podFixed)
        if found.scheduling is not None:
            self._schedule(attributes, found)

    async def validate(self, attributes: Attributes) -> None:
        pod: Pod = attributes.obj
        found = self._class_of(attributes)
        if found is not None and found.overhead is not None:
            if pod.spec.overhead != found.overhead.podFixed:
                raise attributes.denied(_OTHER_OVERHEAD)
        elif pod.spec.overhead:
            raise attributes.denied(_ORPHANED_OVERHEAD)

    def _class_of(self, attributes: Attributes) -> RuntimeClass | None:
        name = attributes.obj.spec.runtimeClassName
        if name is None:
            return None
        entry = self._classes.get(name)
        if entry is None:
            raise attributes.denied(f'pod rejected: RuntimeClass "{name}" not found')
        found: RuntimeClass = entry.decode()
        return found

    def _schedule(self, attributes: Attributes, found: RuntimeClass) -> None:
        spec, scheduling = attributes.obj.spec, found.scheduling
        assert scheduling is not None
        for key, value in sorted(scheduling.nodeSelector.items()):
            given = spec.nodeSelector.get(key)
            if given not in (None, value):
                left, right = f"runtimeClass.scheduling.nodeSelector[{key}]", f"pod.spec.nodeSelector[{key}]"
                raise attributes.denied(f"conflict: {left} = {value}; {right} = {given}")
            spec.nodeSelector[key] = value
        spec.tolerations = _merged(spec.tolerations, scheduling.tolerations)


def _merged(own: list[Toleration], more: list[Toleration]) -> list[Toleration]:
    """Returns the tolerations of both, each once."""
    found: list[Toleration] = []
    for toleration in (*own, *more):
        if toleration not in found:
            found.append(toleration)
    return found

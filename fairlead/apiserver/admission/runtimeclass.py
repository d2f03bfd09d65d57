"""Refuses new Pods that name a runtime class or an overhead.

The cluster does not have runtime classes, and an overhead comes from its class. Source: upstream's admission plug-in
RuntimeClass.
"""

from __future__ import annotations

from typing import Any

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.machinery.kinds.kind import Kind


class RuntimeClasses(AdmissionPlugin):
    """Refuses runtime class and overhead of a new Pod."""

    name = "RuntimeClass"

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation == "CREATE" and kind is POD and not subresource

    async def admit(self, attributes: Attributes) -> None:
        pod: Pod = attributes.obj
        if pod.spec.runtimeClassName is not None:
            raise attributes.denied(f'pod rejected: RuntimeClass "{pod.spec.runtimeClassName}" not found')
        if pod.spec.overhead:
            why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            raise attributes.denied(why)

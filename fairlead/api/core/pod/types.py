"""The structs of the Pod kind."""

from typing import Annotated

import msgspec

from fairlead.api.core.pod.spec import PodSpec
from fairlead.api.core.pod.status import PodStatus
from fairlead.api.meta.types import Object
from fairlead.machinery.kinds.kind import Doc


class Pod(Object):
    """Group of containers that share a network address and run on one node."""

    spec: Annotated[PodSpec, Doc("Desired state of the pod: containers, volumes and scheduling; mostly immutable.")] = (
        msgspec.field(default_factory=PodSpec)
    )
    status: Annotated[PodStatus, Doc("Most recently observed state of the pod; written by the system.")] = (
        msgspec.field(default_factory=PodStatus)
    )

"""A pod: containers that share a network and run on one node."""

from __future__ import annotations

import msgspec

from fairlead.api.meta import Object
from fairlead.api.podspec import PodSpec
from fairlead.api.podstatus import PodStatus
from fairlead.machinery.kind import Kind


class Pod(Object):
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


POD = Kind(
    type=Pod,
    kind="Pod",
    plural="pods",
    singular="pod",
    short_names=("po",),
    categories=("all",),
    status=True,
    generation=True,
)

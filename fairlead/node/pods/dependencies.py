"""The services of a node that the workers of its pods use: API, zygote, network, images."""

from __future__ import annotations

import random
from collections.abc import Mapping

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.service.kind import Service
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass
from fairlead.base.log import Log
from fairlead.node.cgroups.tree import ControlGroups
from fairlead.node.draining.model import Traffic
from fairlead.node.images.resolver import NodeImages
from fairlead.node.nodestatus.monitor import NodeMonitor
from fairlead.node.pods.sandbox.sandboxes import PodSandboxes
from fairlead.node.probes.counts import ProbeCounts
from fairlead.node.runtime.agent.zygoteclient import ZygoteClient
from fairlead.node.settings import NodeSettings
from fairlead.node.usage.memorywatch import MemoryWatch
from fairlead.runtime.client import Client
from fairlead.runtime.events import Recorder
from fairlead.runtime.informer import Informer


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    settings: NodeSettings
    client: Client
    zygote: ZygoteClient
    sandboxes: PodSandboxes
    images: NodeImages
    recorder: Recorder
    pods: Informer[Pod]
    services: Informer[Service]
    traffic: Traffic
    monitor: NodeMonitor
    """The node's settings and its pressure."""
    cgroups: ControlGroups | None
    """None if this user may not make control groups with limits."""
    memory: MemoryWatch
    """Enforces memory limits if the kernel does not."""
    probe_counts: ProbeCounts
    memory_bytes: int
    """The machine's memory."""
    allocatable: Mapping[str, str]
    clock: Clock
    rng: random.Random
    log: Log

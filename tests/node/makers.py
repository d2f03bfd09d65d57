"""Makes pods and their states on a node, with overrides."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.api.core.pod.kind import Pod
from fairlead.base.instant import Instant
from fairlead.node.images.host import Image, NoImage
from fairlead.node.pods.deciding.state import ContainerState, Exit, PodState

NOW = Instant(1_700_000_000.0)


def pod(*names: str, status: dict[str, Any] | None = None, meta: dict[str, Any] | None = None, **spec: Any) -> Pod:
    """A pod with containers of these names, which mount all volumes, or with those in `spec`."""
    mounts = [{"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in spec.get("volumes", [])]
    containers = [{"name": n, "image": "fairlead/web", "volumeMounts": mounts} for n in names or ("main",)]
    tree = {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u-1"} | (meta or {}),
        "spec": {"containers": containers, "restartPolicy": "Always", "nodeName": "node1"} | spec,
        "status": status or {},
    }
    return msgspec.convert(tree, Pod)


def exit_(code: int = 0, *, at: float = NOW, ran_s: float = 1.0, **extra: Any) -> Exit:
    return Exit("id", code, 0, Instant(at - ran_s), Instant(at), **extra)


def running(**extra: Any) -> ContainerState:
    state = ContainerState(phase="running", id="id", started=True, ready=True, started_at=NOW)
    for name, value in extra.items():
        setattr(state, name, value)
    return state


def exited(code: int = 0, *, at: float = NOW, ran_s: float = 1.0, **extra: Any) -> ContainerState:
    state = ContainerState(phase="exited", id="id", exit=exit_(code, at=at, ran_s=ran_s))
    for name, value in extra.items():
        setattr(state, name, value)
    return state


def pod_state(**containers: ContainerState) -> PodState:
    """Returns the state of a pod whose sandbox is up."""
    return PodState(sandbox="up", ips=("10.244.1.2",), started_at=NOW, containers=dict(containers))


async def no_image(name: str, _policy: str) -> Image:
    """A node without images."""
    raise NoImage(f"image {name} is not available")

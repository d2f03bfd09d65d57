"""Limits of one container: by the kernel in a control group, otherwise its memory by the node's agent."""

from __future__ import annotations

import signal

from fairlead.api.core.pod.containers.container import Container, ResourceRequirements
from fairlead.api.core.pod.create import qos_class
from fairlead.base.dataclass import dataclass
from fairlead.node.cgroups.limits import limits_of, memory_limit, oom_score_adj
from fairlead.node.env.environment import ConfigProblem
from fairlead.node.pods.localpod import LocalPod
from fairlead.node.runtime.agent.zygoteclient import ZygoteError

OOM_KILLED = "OOMKilled"


@dataclass(frozen=True, slots=True)
class Enforcement:
    """The limits of a new run of a container."""

    run: str
    """The id of the run."""
    resources: ResourceRequirements
    cgroups: tuple[str, ...]
    oom_score_adj: int


class ContainerLimits:
    """The limits of one container of a pod, over all its runs."""

    def __init__(self, local: LocalPod) -> None:
        self._local = local
        self._killed = ""
        """The run that was killed for its memory."""

    def prepare(self, container: Container, run: str) -> Enforcement:
        """Makes the run's control group, if the pod has any requests or limits, or the node a limit of processes.
        Raises ConfigProblem."""
        local, deps = self._local, self._local.deps
        resources = local.state.allocated.get(container.name, container.resources)
        groups: tuple[str, ...] = ()
        pids = deps.monitor.config.podPidsLimit
        if deps.cgroups is not None and (pids > 0 or qos_class(local.pod.spec) != "BestEffort"):
            try:
                whole = local.pod.spec.resources
                pod_limits = limits_of(whole) if whole is not None and whole.limits else None
                uid, limits = local.pod.metadata.uid, limits_of(resources)
                groups = deps.cgroups.make(uid, run, limits, pod_limits=pod_limits, pod_pids=pids)
            except OSError as error:
                raise ConfigProblem(f"cannot make the control group: {error}") from error
        return Enforcement(run, resources, groups, oom_score_adj(local.pod, container, resources, deps.memory_bytes))

    def watch(self, run: str, pid: int, resources: ResourceRequirements | None) -> None:
        """Enforces the memory limit of a run that has started, if the kernel does not."""
        limit = memory_limit(resources)
        if self._local.deps.cgroups is None and limit is not None and pid:
            self._local.deps.memory.add(run, pid, limit, lambda: self._exceeded(run))

    def _exceeded(self, run: str) -> None:
        self._killed = run
        self._local.nursery.spawn(self._kill(run))

    async def _kill(self, run: str) -> None:
        try:
            await self._local.deps.zygote.signal(run, signal.SIGKILL)
        except ZygoteError:  # it has ended in the meantime
            self._local.changed()

    def change(self, run: str, pid: int, resources: ResourceRequirements) -> None:
        """Changes the limits of a running container. Raises MemoryInUse, OSError."""
        deps = self._local.deps
        if deps.cgroups is not None:
            deps.cgroups.change(self._local.pod.metadata.uid, run, limits_of(resources))
            return
        deps.memory.remove(run)
        self.watch(run, pid, resources)

    def end(self, run: str, *, failed: bool) -> str:
        """Forgets a run that has ended; returns the reason if it was killed for its memory."""
        deps, uid = self._local.deps, self._local.pod.metadata.uid
        deps.memory.remove(run)
        killed = failed and self._killed == run
        if deps.cgroups is not None:
            killed = killed or (failed and deps.cgroups.oom_kills(uid, run) > 0)
            deps.cgroups.remove(uid, run)
        return OOM_KILLED if killed else ""

"""Runs one pod: asks `plan` after every change and carries out its actions. Each pod has one worker, which ends with
the pod.

A worker's state (`PodState`) is rebuilt from the zygote's list and the pod's status after a restart of the agent, so
this module stores nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.base.instant import Instant
from fairlead.base.keys import key_of
from fairlead.machinery.values.status import StatusError
from fairlead.net.errors import KernelError
from fairlead.node.nodestatus.ipam import NoAddress
from fairlead.node.pods.deciding import plan, recovery
from fairlead.node.pods.deciding.ignored import explained, ignored_fields
from fairlead.node.pods.deciding.plan import Action, Fail, Finish, Reset, Resize, SetUp, Start, Stop, TearDown
from fairlead.node.pods.deciding.resize import grant, lacking
from fairlead.node.pods.deciding.state import all_containers
from fairlead.node.pods.dependencies import Dependencies
from fairlead.node.pods.localpod import LocalPod
from fairlead.node.pods.runner import ContainerRunner
from fairlead.node.pods.sandbox.etcfiles import NameProblem, kernel_hostname
from fairlead.node.pods.sandbox.hostports import PortTaken
from fairlead.node.pods.sandbox.sysctls import unsafe_sysctl
from fairlead.node.pods.starting import with_domain
from fairlead.node.pods.statuswriter import write_status
from fairlead.node.runtime.agent.zygoteclient import ZygoteError
from fairlead.node.runtime.protocol.messages import Run, Sandbox
from fairlead.node.volumes.contents import VolumeProblem
from fairlead.node.volumes.podvolumes import refreshed

_RETRY_FIRST_S, _RETRY_LONGEST_S = 0.5, 120.0
_REFRESH_S = 60.0
_API_RETRY_S = 0.5
_GRANT_RETRY_S = 3.0


class PodWorker:
    def __init__(self, deps: Dependencies, pod: Pod, *, sandbox: Sandbox | None, runs: Sequence[Run]) -> None:
        pod_state = recovery.recover(pod, sandbox, runs, now=deps.clock.now())
        self._deps = deps
        self._local = LocalPod(deps, pod, pod_state)
        if pod_state.sandbox == "up":
            deps.sandboxes.resume(pod, pod_state.ips)
        self._signals = {run.record.container: run.record.stop_signal for run in runs}
        self._runners: dict[str, ContainerRunner] = {}
        self._add_runners()
        self._previous_ip = pod.status.podIP
        """The address from before this agent: the status omits it while the pod has no sandbox."""
        self._done = False
        self._metadata_changed = asyncio.Event()
        self._reported: set[str] = set(self._ignored(pod)) if pod_state.sandbox == "up" else set()
        """Paths of ignored fields that an event has named, by an agent before this one too."""

    @property
    def pod(self) -> Pod:
        """Returns the API's latest version of the pod."""
        return self._local.pod

    @property
    def local(self) -> LocalPod:
        return self._local

    @property
    def uid(self) -> str:
        return self._local.pod.metadata.uid

    def update(self, pod: Pod | None) -> None:
        """Receives the API's latest version of the pod; None if the API has deleted it."""
        local = self._local
        if pod is None:
            local.in_api = False
            local.state.ending = True
        else:
            before, local.pod = local.pod.metadata, pod
            if (before.labels, before.annotations) != (pod.metadata.labels, pod.metadata.annotations):
                self._metadata_changed.set()
            self._add_runners()
            local.state.ending = local.state.ending or pod.metadata.deletionTimestamp is not None
            if local.state.sandbox == "up":
                self._record_ignored_fields()
        for runner in self._runners.values():
            runner.shorten_grace()
        local.changed_for_now()

    def kill(self) -> None:
        """Ends a pod that is gone from the API, at once and without events."""
        if not self._local.killed:
            self._local.killed = True
            self.update(None)

    def _add_runners(self) -> None:
        """Makes a runner for each container that lacks one: containers can be added to a running pod."""
        for container in all_containers(self._local.pod):
            name = container.name
            if name not in self._runners:
                signal = self._signals.get(name, "")
                self._runners[name] = ContainerRunner(self._local, name, stop_signal=signal)
                self._local.volumes_ready = False  # it may need what the pod did not

    def container_id(self, container: str) -> str:
        """Returns the id of the run that exec and attach can enter; empty if none can be entered."""
        state = self._local.state.containers.get(container)
        return state.id if state is not None and state.phase == "running" else ""

    def log_file(self, container: str, *, previous: bool) -> str | None:
        """Returns the log's path of the current run or of the one before it; None without a log."""
        state = self._local.state.containers.get(container)
        attempt = -1 if state is None else state.attempt - previous
        path = self._local.files.logs.path(container, attempt)
        return path if attempt >= 0 and os.path.exists(path) else None

    def log_grows(self, container: str, path: str) -> bool:
        """Returns True if the log belongs to a running container."""
        state = self._local.state.containers.get(container)
        running = state is not None and state.phase == "running"
        return running and self.log_file(container, previous=False) == path

    async def sync(self) -> None:
        """Acts on every change until the pod has been removed from the node."""
        local = self._local
        with local.lease:
            await self._sync()

    async def _sync(self) -> None:
        local = self._local
        async with local.nursery as nursery:
            nursery.spawn(write_status(local))
            nursery.spawn(self._refresh())
            for runner in self._runners.values():
                runner.resume()
            self.update(local.pod)
            while not self._done:
                local.decide.clear()
                wake_at = await self._step()
                if not self._done:
                    await self._rest(wake_at)

    async def _rest(self, until: Instant | None) -> None:
        pause = None if until is None else max(until - self._deps.clock.now(), 0.001)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._local.decide.wait()

    async def _step(self) -> Instant | None:
        pod, pod_state = self._local.pod, self._local.state
        if self._local.ended_before and not pod_state.ending:
            return None
        self._grant_resources()
        now = self._deps.clock.now()
        decision = plan.decide(pod, pod_state, now)
        for action in decision.actions:
            await self._do(action)
        again = Instant(now + _GRANT_RETRY_S) if pod_state.resize == "Deferred" else None
        return plan.earliest(decision.wake_at, again)

    def _grant_resources(self) -> None:
        """Grants what the spec asks for, if the node has it beside its other pods."""
        local, uid = self._local, self._local.pod.metadata.uid
        before = local.state.allocated
        others = (p for p in self._deps.pods.items.values() if p.metadata.uid != uid and not _ended(p))
        if not grant(local.pod, local.state, others, self._deps.allocatable):
            return
        local.show.set()
        if local.state.resize:
            text = f"Pod resize {local.state.resize}: {local.state.resize_message}"
            local.event("Warning", f"Resize{local.state.resize}", text)
        elif before != local.state.allocated:
            local.event("Normal", "ResizeStarted", "Pod resize started")

    async def _do(self, action: Action) -> None:
        match action:
            case SetUp():
                self._local.state.sandbox = "working"
                self._local.nursery.spawn(self._set_up())
            case Start():
                self._runners[action.container].start(action)
            case Stop():
                self._runners[action.container].stop(action)
            case Resize():
                self._runners[action.container].resize()
                if not any(lacking(self._local.pod, self._local.state)):
                    self._local.event("Normal", "ResizeCompleted", "Pod resize completed")
            case Reset():
                self._local.state.reset()
                self._local.changed()
            case TearDown():
                await self._tear_down()
            case Finish():
                await self._finish()
            case Fail():
                self._local.state.reason, self._local.state.message = action.reason, action.message
                self._local.event("Normal", action.reason, action.message)
                self._local.changed()

    async def _set_up(self) -> None:
        local = self._local
        if unsafe := unsafe_sysctl(local.pod, self._deps.monitor.config.allowedUnsafeSysctls):
            self._reject("SysctlForbidden", f'forbidden sysctl: "{unsafe}" not allowlisted')
            return
        try:
            self._deps.sandboxes.reserve_ports(local.pod)
            await local.prepare()
            await self._make_sandbox()
        except PortTaken:
            why = "node(s) didn't have free ports for the requested pod ports"
            self._reject("NodePorts", f"Predicate NodePorts failed: {why}")
        except VolumeProblem as error:
            self._retry("FailedMount", str(error))
        except (ConnectionError, StatusError) as error:
            self._retry("", str(error))
        except (ZygoteError, OSError, NoAddress, NameProblem, KernelError) as error:
            await self._remove_sandbox()
            self._retry("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
        else:
            local.state.sandbox, local.state.retry_s = "up", 0.0
            self._record_ignored_fields()
            local.changed_for_now()

    def _record_ignored_fields(self) -> None:
        """Records an event once for each field; an ephemeral container may be added later than the rest."""
        news = [path for path in self._ignored(self._local.pod) if path not in self._reported]
        self._reported.update(news)
        if news:
            text = ", ".join(map(explained, news))
            self._local.event("Warning", "Ignored", f"Not supported by Fairlead's nodes: {text}")

    def _ignored(self, pod: Pod) -> list[str]:
        deps = self._deps
        kernel_limits, host_namespaces = deps.cgroups is not None, deps.settings.host_namespaces
        return ignored_fields(pod, kernel_limits=kernel_limits, host_namespaces=host_namespaces)

    def _reject(self, reason: str, text: str) -> None:
        """Rejects a pod that cannot run on this node; its owner makes another."""
        local, pod_state = self._local, self._local.state
        pod_state.sandbox, pod_state.reason, pod_state.message = "none", reason, f"Pod was rejected: {text}"
        local.event("Warning", reason, text)
        local.changed()

    def _retry(self, reason: str, message: str) -> None:
        local, pod_state = self._local, self._local.state
        if reason:
            local.event("Warning", reason, message)
        pod_state.sandbox = "none"
        pod_state.retry_s = min(max(2 * pod_state.retry_s, _RETRY_FIRST_S), _RETRY_LONGEST_S)
        pod_state.retry_at = Instant(self._deps.clock.now() + pod_state.retry_s)
        local.changed()

    async def _make_sandbox(self) -> None:
        deps, pod, pod_state = self._deps, self._local.pod, self._local.state
        hostname = kernel_hostname(pod, with_domain(deps.settings))
        # The address that it had before the cluster was stopped, if it is free.
        pod_state.ips = deps.sandboxes.allocate(pod, pod.status.podIP or self._previous_ip)
        await deps.sandboxes.make(pod, pod_state.ips, hostname)

    async def _remove_sandbox(self) -> None:
        pod_state = self._local.state
        await self._deps.sandboxes.remove(self._local.pod, pod_state.ips)
        pod_state.ips = ()

    async def _tear_down(self) -> None:
        await self._remove_sandbox()
        self._local.state.sandbox = "down"
        self._local.changed()

    async def _finish(self) -> None:
        """Removes the pod from the node; deletes its API object last, unless that is already deleted."""
        self._deps.sandboxes.release_ports(self._local.pod)  # a pod that never got a sandbox may hold some
        meta = self._local.pod.metadata
        while self._local.in_api:
            try:
                await self._deps.client.delete(POD, meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=0)
            except StatusError as error:
                if error.code not in (404, 409):
                    self._deps.log.warn("cannot delete the pod", pod=key_of(meta), error=error)
                    await asyncio.sleep(_API_RETRY_S)
                    continue
            except ConnectionError:
                await asyncio.sleep(_API_RETRY_S)
                continue
            break
        self._local.files.remove()
        self._deps.probe_counts.forget(self.uid)
        self._done = True

    async def _refresh(self) -> None:
        """Updates volumes from the API: at once after a change of the pod's labels and annotations, which volumes may
        show, and after a minute at most for what the pod refers to."""
        local = self._local
        if not refreshed(local.pod):
            return
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REFRESH_S * self._deps.rng.uniform(0.8, 1.2)):
                    await self._metadata_changed.wait()
            self._metadata_changed.clear()
            if local.state.sandbox == "up" and not local.state.ending:
                # What has gone stays as it was in the pod's files.
                with contextlib.suppress(ConnectionError, StatusError, VolumeProblem):
                    await local.prepare()


def _ended(pod: Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")

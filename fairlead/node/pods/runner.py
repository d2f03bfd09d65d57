"""The runs of one container: start, hooks and probes, end. What is done is decided by `plan`; here it happens."""

from __future__ import annotations

import asyncio
import signal
from functools import partial

from fairlead.api.core.pod.containers.container import Container, EphemeralContainer, ResourceRequirements
from fairlead.api.core.pod.containers.probe import LifecycleHandler
from fairlead.base import tasks
from fairlead.base.instant import Instant
from fairlead.machinery.values.status import StatusError
from fairlead.node.cgroups.tree import MemoryInUse
from fairlead.node.env.environment import ConfigProblem
from fairlead.node.images.host import Image, NoImage
from fairlead.node.pods.containers.running import RunningContainer
from fairlead.node.pods.containers.stopping import stop_container
from fairlead.node.pods.deciding import plan
from fairlead.node.pods.deciding.state import NEVER, ContainerState, Exit, Waiting, all_containers
from fairlead.node.pods.enforcement import ContainerLimits
from fairlead.node.pods.localpod import LocalPod
from fairlead.node.pods.starting import listening_port, start_message
from fairlead.node.probes.prober import run_hook, wait_for_port
from fairlead.node.probes.result import ProbeResult, ProbeStatus, failure
from fairlead.node.probes.workers import ProbeContext, ProbeName, probe_event, watch_container
from fairlead.node.runtime.agent.zygoteclient import ZygoteError
from fairlead.node.runtime.logs.logread import last_lines
from fairlead.node.runtime.protocol.messages import Exited, StartContainer
from fairlead.node.volumes.contents import VolumeProblem

_CONFIG_RETRY_S = 5.0
_API_RETRY_S = 0.5
_RESIZE_RETRY_S = 5.0
_IMAGE_TURN_S = 2.0
"""Seconds for which `ErrImagePull` is shown before it becomes `ImagePullBackOff`."""
_LISTEN_S = 0.5
_TAIL_LINES, _TAIL_BYTES = 80, 2048


class ContainerRunner:
    """The runner of one container of one pod, over all its runs."""

    def __init__(self, local: LocalPod, name: str, *, stop_signal: str) -> None:
        self._local = local
        self._name = name
        self._stop_signal = stop_signal
        self._gone = asyncio.Event()
        """The current run has ended."""
        self._probes: asyncio.Task[None] | None = None
        self._deadline = 0.0
        """The time, on the loop's clock, at which a stopping run is killed."""
        self._limits = ContainerLimits(local)
        self._early: Exited | None = None
        """The exit of a run whose start has not been dealt with yet."""

    @property
    def state(self) -> ContainerState:
        return self._local.state.of(self._name)

    @property
    def _container(self) -> Container:
        """Returns the container as the API has it now: its image may have changed."""
        return next(c for c in all_containers(self._local.pod) if c.name == self._name)

    def resume(self) -> None:
        """Takes up a run that an agent before this one had started."""
        state = self.state
        if state.phase == "running":
            self._local.deps.zygote.exits.add_listener(state.id, self.exited)
            self._limits.watch(state.id, state.pid, state.resources)
            self._watch()

    def start(self, action: plan.Start) -> None:
        state = self.state
        again = state.phase == "exited"
        state.phase = "starting"
        self._local.nursery.spawn(self._start(action, again=again))

    async def _start(self, action: plan.Start, *, again: bool) -> None:
        local, container = self._local, self._container
        try:
            pid_namespace_of = self._target()
            if not local.volumes_ready:
                await local.prepare()
            image = await local.obtain_image(container.image, container.imagePullPolicy, container)
            limits = self._limits.prepare(container, local.deps.zygote.new_id())
            message = start_message(local, container, image, action, limits, pid_namespace_of=pid_namespace_of)
        except NoImage as error:
            self._no_image(error, again=again)
        except (ConfigProblem, VolumeProblem) as error:
            local.volumes_ready = False  # the next try looks again at what the API has
            local.event("Warning", "Failed", f"Error: {error}", container)
            reason = error.reason if isinstance(error, ConfigProblem) else "CreateContainerConfigError"
            self._hold(Waiting(reason, str(error)), _CONFIG_RETRY_S, again=again)
        except (ConnectionError, StatusError) as error:
            self._hold(Waiting("ContainerCreating", str(error)), _API_RETRY_S, again=again)
        else:
            await self._launch(message, image, limits.resources)

    async def _launch(self, message: StartContainer, image: Image, resources: ResourceRequirements) -> None:
        zygote = self._local.deps.zygote
        zygote.exits.add_listener(message.id, self.exited)
        self._gone = asyncio.Event()
        try:
            run = await zygote.start_container(message)
        except ZygoteError as error:
            zygote.exits.remove_listener(message.id)
            self._never_ran(message, str(error))
        else:
            self._stop_signal = image.stop_signal
            self._record_started(image)
            self._new_run(message, image.id, Instant(run.started_at))
            self.state.pid, self.state.resources = run.pid, resources
            self._limits.watch(message.id, run.pid, resources)
            await self._running(message.id, listening_port(image, message.spec.process))

    def _target(self) -> str:
        """Returns the id of the container whose processes this one shares. Raises ConfigProblem if it does not run."""
        container = self._container
        name = container.targetContainerName if isinstance(container, EphemeralContainer) else ""
        state = self._local.state.of(name) if name else None
        if state is not None and state.phase != "running":
            raise ConfigProblem(f"target container {name} is not running")
        return state.id if state is not None else ""

    def _record_started(self, image: Image) -> None:
        local, container = self._local, self._container
        present = f'Container image "{container.image}" {image.source}'
        local.event("Normal", "Pulled", image.event or present, container)
        local.event("Normal", "Created", f"Created container: {container.name}", container)
        local.event("Normal", "Started", f"Started container {container.name}", container)

    def _new_run(self, message: StartContainer, image_id: str, at: Instant) -> None:
        state, record = self.state, message.record
        previous = state.last
        state.last, state.exit = state.exit or state.last, None
        state.id, state.attempt, state.backoff_s = message.id, record.attempt, record.backoff_s
        state.image, state.image_id = record.image, image_id
        state.phase, state.started_at = "running", at
        state.waiting, state.retry_s, state.retry_at = None, 0.0, NEVER
        state.started = state.ready = state.stopping = state.again = False
        state.unhealthy = state.resize_error = ""
        if previous is not None and previous is not state.last:
            self._local.nursery.spawn(self._remove_previous(previous.id))

    async def _remove_previous(self, id_: str) -> None:
        await self._local.deps.zygote.remove_container(id_)
        await asyncio.to_thread(self._local.files.remove_writables, self._name, self.state.attempt)

    async def _running(self, id_: str, port: int | None) -> None:
        """Waits until the run counts as started: its postStart hook has ended, and the port, if it is known,
        answers."""
        local, container = self._local, self._container
        state = self.state
        early, self._early = self._early, None
        if early is not None and early.id == id_:
            self.exited(early)
            return
        hook = container.lifecycle.postStart if container.lifecycle else None
        if hook is not None:
            local.changed()
            result = await self._post_start(hook)
            if not result.good and state.id == id_ and state.phase == "running":
                local.event("Warning", "FailedPostStartHook", f"PostStartHook failed: {result.text}", container)
                state.unhealthy = "postStart hook"
        elif port is not None and not (container.startupProbe or container.readinessProbe):
            local.changed_for_now()
            await wait_for_port(local.state.ip, port, _LISTEN_S)
        if state.id == id_ and state.phase == "running" and not state.unhealthy:
            state.started = container.startupProbe is None
            state.ready = state.started and container.readinessProbe is None
            self._watch()
        local.changed()

    async def _post_start(self, hook: LifecycleHandler) -> ProbeResult:
        """Runs the hook, which may take as long as the container runs."""
        run = self._current()
        work = asyncio.ensure_future(run_hook(hook, run.container, run.ip, run.command, None))
        ended = asyncio.ensure_future(run.ended.wait())
        try:
            await asyncio.wait((work, ended), return_when=asyncio.FIRST_COMPLETED)
            result = work.result() if work.done() else failure("the container has ended")
        finally:
            for task in (work, ended):
                await tasks.stop(task)
        self._report_fallback(result)
        return result

    def _report_fallback(self, result: ProbeResult) -> None:
        if result.status is ProbeStatus.WARNING:
            self._local.event("Warning", "LifecycleHTTPFallback", result.text)

    def _watch(self) -> None:
        container, local, state = self._container, self._local, self.state
        if not (container.startupProbe or container.readinessProbe or container.livenessProbe):
            return
        probing = ProbeContext(
            container=container,
            ip=local.state.ip,
            run=self._current().command,
            report=self._report_probe,
            count=partial(local.deps.probe_counts.add, local.pod.metadata, container.name),
            changed=local.changed,
            now=local.deps.clock.now,
            rng=local.deps.rng,
        )
        self._probes = local.nursery.spawn(watch_container(state, probing))

    def _report_probe(self, name: ProbeName, result: ProbeResult) -> None:
        if not self._local.state.ending and not self.state.stopping:
            self._local.event("Warning", *probe_event(name, result), self._container)

    def _current(self) -> RunningContainer:
        local, state = self._local, self.state
        return RunningContainer(
            zygote=local.deps.zygote,
            container=self._container,
            id=state.id,
            pid=state.pid,
            pod_uid=local.pod.metadata.uid,
            ip=local.state.ip,
            image_stop_signal=self._stop_signal,
            ended=self._gone,
        )

    def _hold(self, waiting: Waiting, seconds: float, *, again: bool) -> None:
        state = self.state
        state.phase = "exited" if again else "new"
        state.waiting, state.retry_s = waiting, seconds
        state.retry_at = Instant(self._local.deps.clock.now() + seconds)
        self._local.changed()

    def _no_image(self, error: NoImage, *, again: bool) -> None:
        local, container, state, why = self._local, self._container, self.state, str(error)
        seconds = plan.longer(state.retry_s)
        if error.reason != "ErrImagePull":
            event = "InspectFailed" if error.reason == "InvalidImageName" else error.reason
            local.event("Warning", event, why, container)
            local.event("Warning", "Failed", f"Error: {error.reason}", container)
            self._hold(Waiting(error.reason, why), seconds, again=again)
            return
        text = f'Back-off pulling image "{container.image}": ErrImagePull: {why}'
        if state.waiting is None:
            local.event("Warning", "Failed", f'Failed to pull image "{container.image}": {why}', container)
            local.event("Warning", "Failed", "Error: ErrImagePull", container)
            self._hold(Waiting("ErrImagePull", why), seconds, again=again)
            local.nursery.spawn(self._turn_to_backoff(state.waiting, text))
        else:
            self._hold(Waiting("ImagePullBackOff", text), seconds, again=again)
        local.event("Normal", "BackOff", f'Back-off pulling image "{container.image}"', container)

    async def _turn_to_backoff(self, shown: Waiting | None, text: str) -> None:
        await asyncio.sleep(_IMAGE_TURN_S)
        if self.state.waiting is shown:
            self.state.waiting = Waiting("ImagePullBackOff", text)
            self._local.changed()

    def _never_ran(self, message: StartContainer, why: str) -> None:
        """Records a program that could not be started: for the pod this is a run that failed at once."""
        now = self._local.deps.clock.now()
        self._limits.end(message.id, failed=True)
        text = f'failed to start container "{self._container.name}": {why}'
        self._local.event("Warning", "Failed", f"Error: {text}", self._container)
        self._new_run(message, self.state.image_id, now)
        self._over(Exit(message.id, 128, 0, now, now, reason="StartError", message=text))

    def exited(self, exited: Exited) -> None:
        """Records the end of a run. The zygote may report it before the answer to the start has been handled."""
        if self.state.id != exited.id:
            self._early = exited
            return
        status = exited.exit
        started = Instant(exited.started_at or status.finished_at)
        text = self._termination_message(failed=status.code != 0)
        reason = self._limits.end(exited.id, failed=status.code != 0)
        at = Instant(status.finished_at)
        self._over(Exit(exited.id, status.code, status.signal, started, at, reason=reason, message=text))

    def _termination_message(self, *, failed: bool) -> str:
        local, container, attempt = self._local, self._container, self.state.attempt
        text = local.files.termination_message(container.name, attempt)
        if not text and failed and container.terminationMessagePolicy == "FallbackToLogsOnError":
            text = last_lines(local.files.logs.path(container.name, attempt), _TAIL_LINES, _TAIL_BYTES)
        return text

    def _over(self, exit_: Exit) -> None:
        local, state = self._local, self.state
        if self._probes is not None:
            self._probes.cancel()
        state.phase, state.exit = "exited", exit_
        if plan.restarts_all(self._container, exit_) and not local.state.ending:
            local.state.restart_all = True
        state.started = state.ready = state.stopping = False
        self._gone.set()
        if not local.state.ending and plan.pause_s(state) and plan.restarts(local.pod, self._container, state):
            meta = local.pod.metadata
            where = f"{meta.name}_{meta.namespace}({meta.uid})"
            text = f"Back-off restarting failed container {self._container.name} in pod {where}"
            local.event("Warning", "BackOff", text, self._container)
        local.changed()

    def stop(self, action: plan.Stop) -> None:
        """Stops the current run, with the grace that the pod has."""
        self.state.stopping, self.state.again = True, action.again
        self._local.nursery.spawn(self._stop(action, self._current()))

    def resize(self) -> None:
        """Gives the current run the limits that the node has granted; a failure is tried again."""
        local, state = self._local, self.state
        granted = local.state.allocated[self._name]
        try:
            self._limits.change(state.id, state.pid, granted)
        except (MemoryInUse, OSError) as error:
            state.resize_error = f'cannot resize container "{self._name}": {error}'
            state.resize_at = Instant(local.deps.clock.now() + _RESIZE_RETRY_S)
        else:
            state.resources, state.resize_error = granted, ""
        local.changed()

    async def _stop(self, action: plan.Stop, run: RunningContainer) -> None:
        local, container = self._local, run.container
        local.event("Normal", "Killing", action.message, container)
        grace_s = local.grace_s()
        probe = container.livenessProbe if self.state.unhealthy == "liveness probe" else container.startupProbe
        if self.state.unhealthy and probe and probe.terminationGracePeriodSeconds:
            grace_s = float(probe.terminationGracePeriodSeconds)
        self._deadline = asyncio.get_running_loop().time() + grace_s
        drain = local.state.ending and self.state.ready
        result = await stop_container(run, local.deps.traffic, grace_s=grace_s, drain=drain)
        self._report_fallback(result)
        if not result.good:
            local.event("Warning", "FailedPreStopHook", f"PreStopHook failed: {result.text}", container)

    def shorten_grace(self) -> None:
        """Shortens the grace period if the pod's became shorter while its containers end."""
        loop, state = asyncio.get_running_loop(), self.state
        deadline = loop.time() + self._local.grace_s()
        if state.stopping and self._local.state.ending and deadline < self._deadline - 0.5:
            self._deadline = deadline
            self._local.nursery.spawn(_kill(self._current(), self._local.grace_s()))


async def _kill(run: RunningContainer, after_s: float) -> None:
    await run.wait_ended(after_s)
    await run.signal(signal.SIGKILL)

"""Feeds the Job controller: Jobs and their pods.

Before the first Job exists, or the first pod that a Job has made, no Jobs are watched and no type of the kind is
imported. A key is that of a Job, or `pod|<key>` of a pod whose tracking finalizer may be left over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.api.batch.job import JOB
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.meta.types import controller_of
from fairlead.base.keys import join_key, key_of
from fairlead.controllers.context import Context
from fairlead.controllers.workloads.podfacts import requirements
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.index import Index, by_controller, by_namespace
from fairlead.runtime.informer import Informer
from fairlead.runtime.loop import Controller
from fairlead.runtime.plan import NOTHING

if TYPE_CHECKING:
    from fairlead.api.batch.job.types import Job
    from fairlead.controllers.workloads.job.backoff import Outcome

_BATCH_S = 0.1
"""Delay after a change of a pod: the changes of many pods lead to one reconcile."""
_REFUSED_WAIT_S = 1.0
"""The first wait after a refused creation of a pod, such as for lack of quota (upstream: DefaultJobApiBackOff)."""
_TRACKING = "batch.kubernetes.io/job-tracking"
_POD = "pod|"


def controller(context: Context) -> Controller:
    return _Jobs(context).controller


class _Jobs:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._applier = context.applier("job-controller")
        self._pods = context.informers.of(POD)
        self._pods_by_owner = Index(self._pods, by_controller)
        self._jobs: Informer[Job] | None = None
        self._jobs_in_namespace: Index[Job] | None = None
        self._outcomes: dict[str, dict[str, Outcome]] = {}
        """The ends of pods by the uids of Job and pod; also of pods that exist no longer."""
        self.controller = Controller("job", context.queue(), self._sync, workers=8, refused_wait_s=_REFUSED_WAIT_S)
        self._pods.add_handler(self._on_pod)
        context.scheme.on_use(self._on_use)

    def _on_use(self, kind: Kind[Any]) -> None:
        if kind is JOB:
            self._follow()

    def _follow(self) -> Informer[Job]:
        if self._jobs is None:
            self._jobs = self._context.informers.of(JOB)
            self._jobs_in_namespace = Index(self._jobs, by_namespace)
            self._jobs.add_handler(self._on_job)
        return self._jobs

    def _on_job(self, key: str, old: Job | None, new: Job | None) -> None:
        self.controller.queue.add(key)
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._ended(old)
        if new is not None and _has_ended(new):
            self._ended(new)

    def _ended(self, job: Job) -> None:
        self._outcomes.pop(job.metadata.uid, None)
        self._queue_tracked(job)

    def _queue_tracked(self, job: Job) -> None:
        """Queues the pods of a Job that may keep a finalizer after the Job's end."""
        for pod in self._pods_by_owner.get(job.metadata.uid):
            if _TRACKING in pod.metadata.finalizers:
                self.controller.queue.add(_POD + key_of(pod.metadata))

    def _on_pod(self, key: str, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            if pod is None:
                continue
            owner = controller_of(pod.metadata)
            if owner is None:
                self._queue_adopters(pod)
            elif owner.kind == JOB.kind:
                self.controller.queue.add_after(join_key(pod.metadata.namespace, owner.name), _BATCH_S)
        if new is not None and _TRACKING in new.metadata.finalizers:
            self._follow()
            job = self._owner_of(new)
            if job is None or _has_ended(job):
                self.controller.queue.add_after(_POD + key, _BATCH_S)

    def _owner_of(self, pod: Pod) -> Job | None:
        """Returns the Job that manages the pod, if it exists."""
        owner = controller_of(pod.metadata)
        job = self._follow().get(join_key(pod.metadata.namespace, owner.name)) if owner is not None else None
        return job if job is not None and owner is not None and job.metadata.uid == owner.uid else None

    def _queue_adopters(self, pod: Pod) -> None:
        for job in self._jobs_in_namespace.get(pod.metadata.namespace) if self._jobs_in_namespace else ():
            selector = requirements(job.spec.selector)
            if selector is not None and selector.matches(pod.metadata.labels):
                self.controller.queue.add(key_of(job.metadata))

    async def _sync(self, key: str) -> float | None:
        jobs = self._follow()
        # The first Job comes before the list of pods: without them, each would be made again.
        await jobs.synced.wait()
        await self._pods.synced.wait()
        return await (self._sync_pod(key.removeprefix(_POD)) if key.startswith(_POD) else self._sync_job(key))

    async def _sync_job(self, key: str) -> float | None:
        from fairlead.controllers.workloads.job.backoff import outcomes_of
        from fairlead.controllers.workloads.job.plan import reconcile

        job = self._follow().get(key)
        if job is None or _has_ended(job):
            return None
        owned = self._pods_by_owner.get(job.metadata.uid)
        outcomes = self._outcomes.setdefault(job.metadata.uid, {})
        for uid, outcome in outcomes_of(job, owned, self._context.clock.now()).items():
            outcomes.setdefault(uid, outcome)  # the first: a deleted pod ends when its deletion is seen
        pods = owned + self._pods_by_owner.get(f"{job.metadata.namespace}/")
        plan = reconcile(job, pods, outcomes=outcomes, now=self._context.clock.now())
        if plan:
            await self._applier.apply(plan)
        return plan.retry_after

    async def _sync_pod(self, key: str) -> float | None:
        from fairlead.controllers.workloads.job.plan import orphaned

        pod = self._pods.get(key)
        plan = orphaned(pod, self._owner_of(pod)) if pod is not None else NOTHING
        if plan:
            await self._applier.apply(plan)
        return None


def _has_ended(job: Job) -> bool:
    return any(c.type in ("Complete", "Failed") and c.status == "True" for c in job.status.conditions)

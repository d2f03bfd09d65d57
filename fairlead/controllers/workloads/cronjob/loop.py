"""Feeds the CronJob controller: CronJobs and their Jobs. Before the first CronJob exists, nothing is watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.api.batch.cronjob import CRON_JOB
from fairlead.api.batch.job import JOB
from fairlead.api.meta.types import controller_of
from fairlead.base.keys import join_key
from fairlead.controllers.context import Context
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.index import Index, by_controller
from fairlead.runtime.informer import Informer
from fairlead.runtime.loop import Controller

if TYPE_CHECKING:
    from fairlead.api.batch.cronjob.kind import CronJob
    from fairlead.api.batch.job.types import Job


def controller(context: Context) -> Controller:
    return _CronJobs(context).controller


class _Caches:
    """The informers, made when the first CronJob exists."""

    def __init__(self, context: Context) -> None:
        self.cron_jobs: Informer[CronJob] = context.informers.of(CRON_JOB)
        self.jobs: Informer[Job] = context.informers.of(JOB)
        self.jobs_by_owner = Index(self.jobs, by_controller)


class _CronJobs:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._applier = context.applier("cronjob-controller")
        self._caches: _Caches | None = None
        self.controller = Controller("cronjob", context.queue(), self._sync)
        context.scheme.on_use(self._on_use)

    def _on_use(self, kind: Kind[Any]) -> None:
        if kind is CRON_JOB and self._caches is None:
            caches = self._caches = _Caches(self._context)
            caches.cron_jobs.add_handler(lambda key, old, new: self.controller.queue.add(key))
            caches.jobs.add_handler(self._on_job)

    def _on_job(self, key: str, old: Job | None, new: Job | None) -> None:
        for job in (old, new):
            owner = controller_of(job.metadata) if job is not None else None
            if job is not None and owner is not None and owner.kind == CRON_JOB.kind:
                self.controller.queue.add(join_key(job.metadata.namespace, owner.name))

    async def _sync(self, key: str) -> float | None:
        from fairlead.controllers.workloads.cronjob.plan import reconcile

        caches = self._caches
        cron_job = caches.cron_jobs.get(key) if caches is not None else None
        if caches is None or cron_job is None:
            return None
        await caches.jobs.synced.wait()
        jobs, namespace = caches.jobs, cron_job.metadata.namespace
        plan = reconcile(
            cron_job,
            caches.jobs_by_owner.get(cron_job.metadata.uid),
            taken=lambda name: jobs.get(join_key(namespace, name)) is not None,
            now=self._context.clock.now(),
        )
        if plan:
            await self._applier.apply(plan)
        return plan.retry_after

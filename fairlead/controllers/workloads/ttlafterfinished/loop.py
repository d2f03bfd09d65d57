"""Feeds the deletion of finished Jobs. Before the first Job exists, nothing is watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.api.batch.job import JOB
from fairlead.controllers.context import Context
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.informer import Informer
from fairlead.runtime.loop import Controller, planned
from fairlead.runtime.plan import Plan

if TYPE_CHECKING:
    from fairlead.api.batch.job.types import Job


def controller(context: Context) -> Controller:
    return _Expiry(context).controller


class _Expiry:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._jobs: Informer[Job] | None = None
        applier = context.applier("ttl-after-finished-controller")
        self.controller = Controller("ttlafterfinished", context.queue(), planned(self._reconcile, applier))
        context.scheme.on_use(self._on_use)

    def _on_use(self, kind: Kind[Any]) -> None:
        if kind is JOB and self._jobs is None:
            self._jobs = self._context.informers.of(JOB)
            self._jobs.add_handler(lambda key, old, new: self.controller.queue.add(key))

    def _reconcile(self, key: str) -> Plan | None:
        from fairlead.controllers.workloads.ttlafterfinished.plan import reconcile

        job = self._jobs.get(key) if self._jobs is not None else None
        return None if job is None else reconcile(job, now=self._context.clock.now())

"""A Job and its pods for tests, without a control plane."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec

from fairlead.api.batch.job.spec import (
    JobSpec,
    PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyRule,
)
from fairlead.api.batch.job.types import Job
from fairlead.api.core.pod.containers.containerstatus import ContainerState, ContainerStateTerminated, ContainerStatus
from fairlead.api.core.pod.kind import Pod
from fairlead.api.meta.types import LabelSelector, ObjectMeta
from fairlead.base.instant import Instant, render_time
from fairlead.controllers.workloads.job.backoff import Outcome, outcomes_of
from fairlead.controllers.workloads.job.plan import reconcile
from fairlead.controllers.workloads.job.pods import INDEX
from fairlead.runtime.plan import Plan
from tests.controllers.applying import applied
from tests.controllers.factories import APP, NOW, template

SPEC: dict[str, Any] = {
    "completions": 1,
    "parallelism": 1,
    "backoffLimit": 6,
    "completionMode": "NonIndexed",
    "suspend": False,
    "podReplacementPolicy": "TerminatingOrFailed",
}


def job(**spec: Any) -> Job:
    meta = ObjectMeta(name="work", namespace="default", uid="uid-work", resourceVersion="1")
    fields = {**SPEC, "selector": LabelSelector(matchLabels=APP), "template": template(), **spec}
    fields["template"].spec.restartPolicy = "Never"
    return Job(kind="Job", apiVersion="batch/v1", metadata=meta, spec=JobSpec(**fields))


def indexed(completions: int, **spec: Any) -> Job:
    return job(completionMode="Indexed", completions=completions, parallelism=completions, **spec)


class Bench:
    """A Job and its pods, to which plans are applied until nothing is left to do."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.pods: list[Pod] = []
        self.now = NOW
        self.outcomes: dict[str, Outcome] = {}
        self.events: list[str] = []
        self.counted: Counter[str] = Counter()

    def plan(self) -> Plan:
        self.outcomes |= outcomes_of(self.job, self.pods, self.now)
        return reconcile(self.job, self.pods, outcomes=self.outcomes, now=self.now)

    def step(self, *, refuse_status: bool = False) -> Plan:
        """Applies the next plan. `refuse_status`: the write of the status meets a conflict."""
        plan = self.plan()
        if refuse_status:
            plan = replace(plan, status=())
        for patch in plan.patch:
            meta = patch.patch["metadata"]
            self.pods = [
                self._patched(p, meta["finalizers"]) if p.metadata.name == patch.name else p for p in self.pods
            ]
        deleted = {delete.obj.metadata.uid for delete in plan.delete}
        self.pods = [self._deleted(p) if p.metadata.uid in deleted else p for p in self.pods]
        self.pods = [p for p in self.pods if not (p.metadata.deletionTimestamp and not p.metadata.finalizers)]
        created = Plan(create=plan.create)
        self.pods = applied(created, self.pods, Pod)
        for update in plan.status:
            assert isinstance(update.obj, Job)
            self.job = update.obj
            if update.done:
                self.events.append(f"{update.done.reason}: {update.done.message}")
        self.events += [f"{event.reason}: {event.message}" for event in plan.events]
        return plan

    def settle(self) -> None:
        for _ in range(30):
            if not self.step():
                return
        raise AssertionError("the Job does not come to rest")

    def settle_with_pods_that_end_by_deletion(self, code: int) -> None:
        """Applies plans until nothing is left to do; a deleted pod ends before the next plan."""
        for _ in range(30):
            self.now = Instant(self.now + 0.1)
            if not self.step():
                return
            self.pods = [self._ended(p, code) if p.metadata.deletionTimestamp else p for p in self.pods]
        raise AssertionError("the Job does not come to rest")

    def finish(self, code: int = 0, *, index: int | None = None) -> None:
        """Ends the first active pod (of an index)."""
        found = [p for p in self.pods if p.status.phase in ("", "Pending") and not p.metadata.deletionTimestamp]
        target = next(p for p in found if index is None or p.metadata.annotations[INDEX] == str(index))
        self.pods = [self._ended(p, code) if p is target else p for p in self.pods]

    def _ended(self, old: Pod, code: int) -> Pod:
        ended = ContainerStateTerminated(exitCode=code, finishedAt=render_time(self.now))
        status = msgspec.structs.replace(
            old.status,
            phase="Failed" if code else "Succeeded",
            containerStatuses=[ContainerStatus(name="web", state=ContainerState(terminated=ended))],
        )
        return msgspec.structs.replace(old, status=status)

    def active(self) -> list[Pod]:
        return [p for p in self.pods if p.status.phase in ("", "Pending")]

    def conditions(self) -> list[tuple[str, str, str]]:
        return [(c.type, c.status, c.reason) for c in self.job.status.conditions]

    def respec(self, **spec: Any) -> None:
        self.job = msgspec.structs.replace(self.job, spec=msgspec.structs.replace(self.job.spec, **spec))

    def _patched(self, old: Pod, finalizers: list[str]) -> Pod:
        meta = msgspec.structs.replace(old.metadata, finalizers=finalizers)
        return msgspec.structs.replace(old, metadata=meta)

    def _deleted(self, old: Pod) -> Pod:
        meta = msgspec.structs.replace(old.metadata, deletionTimestamp=render_time(self.now))
        return msgspec.structs.replace(old, metadata=meta)


def started(of: Job) -> Bench:
    bench = Bench(of)
    bench.settle()
    return bench


def policy(action: str, *codes: int) -> PodFailurePolicy:
    required = PodFailurePolicyOnExitCodesRequirement(operator="In", values=list(codes))
    return PodFailurePolicy(rules=[PodFailurePolicyRule(action=action, onExitCodes=required)])

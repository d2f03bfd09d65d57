"""Feeds the autoscaling controller: every autoscaler each 15 seconds. Nothing is watched before the first one exists.

A new or changed autoscaler waits 15 seconds too, as upstream. Rejected: at once. The pods of a new
workload lack metrics then, so that its autoscaler begins with warnings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.api.autoscaling.horizontalpodautoscaler import HORIZONTAL_POD_AUTOSCALER
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.base.keys import key_of
from fairlead.controllers.context import Context
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.selectors import parse_label_selector
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.index import Index, by_namespace
from fairlead.runtime.informer import Informer
from fairlead.runtime.loop import Controller

if TYPE_CHECKING:
    from fairlead.api.autoscaling.horizontalpodautoscaler.types import HorizontalPodAutoscaler
    from fairlead.api.autoscaling.scale import Scale
    from fairlead.controllers.workloads.autoscaling.behavior import History
    from fairlead.controllers.workloads.autoscaling.plan import Decision, Report, Result
    from fairlead.controllers.workloads.autoscaling.reading import MetricsReader

_NAME = "horizontal-pod-autoscaler"
_PERIOD_S = 15.0
"""Seconds between two looks at an autoscaler (upstream's default)."""
_TRIES = 5
"""Number of writes of a scale that meet conflicts until the next period is awaited."""


def controller(context: Context) -> Controller:
    return _Autoscalers(context).controller


class _Caches:
    """The informers and the state in memory, made when the first autoscaler exists."""

    def __init__(self, context: Context) -> None:
        from fairlead.controllers.workloads.autoscaling.reading import MetricsReader

        self.autoscalers: Informer[HorizontalPodAutoscaler] = context.informers.of(HORIZONTAL_POD_AUTOSCALER)
        self.pods = context.informers.of(POD)
        self.pods_in_namespace = Index(self.pods, by_namespace)
        self.client = context.client_of(_NAME)
        self.reader: MetricsReader = MetricsReader(self.client, context.scheme)
        self.histories: dict[str, History] = {}
        self.selectors: dict[str, str] = {}
        """The selector of each autoscaler's workload, as last seen."""


class _Autoscalers:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._applier = context.applier(_NAME)
        self._caches: _Caches | None = None
        self.controller = Controller(_NAME, context.queue(), self._sync, workers=5)
        context.scheme.on_use(self._on_use)

    def _on_use(self, kind: Kind[Any]) -> None:
        # Both versions are one resource: an object of either is seen in v2.
        if kind.resource == HORIZONTAL_POD_AUTOSCALER.resource and self._caches is None:
            self._caches = _Caches(self._context)
            self._caches.autoscalers.add_handler(self._on_autoscaler)

    def _on_autoscaler(
        self, key: str, old: HorizontalPodAutoscaler | None, new: HorizontalPodAutoscaler | None
    ) -> None:
        caches = self._caches
        if caches is not None and new is None:
            caches.histories.pop(key, None)
            caches.selectors.pop(key, None)
        elif old is None or new is None or old.spec != new.spec:
            self.controller.queue.add_after(key, _PERIOD_S)

    async def _sync(self, key: str) -> float | None:
        from fairlead.controllers.workloads.autoscaling.plan import Report

        caches = self._caches
        hpa = caches.autoscalers.get(key) if caches is not None else None
        if caches is None or hpa is None:
            return None
        await caches.pods.synced.wait()
        report = Report(hpa)
        await self._scale(caches, key, report)
        plan = report.plan(self._context.clock.now())
        if plan:
            await self._applier.apply(plan)
        return _PERIOD_S

    async def _scale(self, caches: _Caches, key: str, report: Report) -> None:
        from fairlead.controllers.workloads.autoscaling.behavior import History
        from fairlead.controllers.workloads.autoscaling.plan import decide, not_rescaled, rescaled

        hpa, now = report.hpa, self._context.clock.now()
        try:
            path, scale = await self._current(caches, hpa)
        except StatusError as error:
            report.warn("FailedGetScale", error.message)
            text = f"the HPA controller was unable to get the target's current scale: {error.message}"
            report.condition("AbleToScale", "False", "FailedGetScale", text)
            return
        text = "the HPA controller was able to get the target's current scale"
        report.condition("AbleToScale", "True", "SucceededGetScale", text)
        current = scale.spec.replicas
        history = caches.histories.get(key) or History().with_recommendation(current, now)
        results = await self._results(caches, key, report, scale)
        if results is None:
            return
        decision = decide(report, current, results, history, now)
        history = decision.history
        if decision.replicas is not None:
            try:
                await self._resize(caches, path, scale, decision)
            except StatusError as error:
                not_rescaled(report, decision, error.message)
            else:
                history = rescaled(report, current, decision, history, now)
        caches.histories[key] = history

    async def _current(self, caches: _Caches, hpa: HorizontalPodAutoscaler) -> tuple[str, Scale]:
        """Returns the scale of the workload and its path. Raises StatusError."""
        target = hpa.spec.scaleTargetRef
        group, _, version = target.apiVersion.rpartition("/")
        scheme = self._context.scheme
        kind = scheme.by_gvk(group, version, target.kind) or scheme.by_group_kind(group, target.kind)
        if kind is None:
            raise StatusError(404, "NotFound", f'no matches for kind "{target.kind}" in group "{group}"')
        path = kind.path(hpa.metadata.namespace, target.name, "scale")
        return path, _decode(await caches.client.raw("GET", path))

    async def _results(self, caches: _Caches, key: str, report: Report, scale: Scale) -> Sequence[Result] | None:
        """Returns the result of each metric; None if the pods of the workload are unknown, which the report says."""
        from fairlead.controllers.workloads.autoscaling.plan import needs_metrics, tolerances_of
        from fairlead.controllers.workloads.autoscaling.proposals import propose
        from fairlead.controllers.workloads.autoscaling.values import Facts

        hpa = report.hpa
        if not needs_metrics(hpa.spec, scale.spec.replicas):
            return ()
        pods = self._pods(caches, key, report, scale)
        if pods is None:
            return None
        namespace, selector = hpa.metadata.namespace, scale.status.selector
        facts = Facts(
            namespace=namespace,
            desired=scale.spec.replicas,
            present=scale.status.replicas,
            pods=pods,
            tolerances=tolerances_of(hpa.spec),
            now=self._context.clock.now(),
        )
        read = caches.reader.read
        return [propose(metric, await read(metric, namespace, selector), facts) for metric in hpa.spec.metrics]

    def _pods(self, caches: _Caches, key: str, report: Report, scale: Scale) -> list[Pod] | None:
        text = scale.status.selector
        if not text:
            report.warn("SelectorRequired", "selector is required")
            missing = "the HPA target's scale is missing a selector"
            self._no_pods(report, scale, "InvalidSelector", missing, "selector is required")
            return None
        try:
            selector = parse_label_selector(text)
        except StatusError as error:
            why = f"couldn't convert selector into a corresponding internal selector object: {error.message}"
            report.warn("InvalidSelector", why)
            self._no_pods(report, scale, "InvalidSelector", why, why)
            return None
        caches.selectors[key] = text
        namespace = report.hpa.metadata.namespace
        pods = [p for p in caches.pods_in_namespace.get(namespace) if selector.matches(p.metadata.labels)]
        rivals = self._rivals(caches, namespace, pods)
        if len(rivals) > 1:
            why = f"pods by selector {text} are controlled by multiple HPAs: [{' '.join(rivals)}]"
            report.warn("AmbiguousSelector", why)
            self._no_pods(report, scale, "AmbiguousSelector", why, why)
            return None
        return pods

    def _no_pods(self, report: Report, scale: Scale, reason: str, message: str, error: str) -> None:
        report.condition("ScalingActive", "False", reason, message)
        report.warn("FailedComputeMetricsReplicas", error)
        report.current = scale.spec.replicas

    def _rivals(self, caches: _Caches, namespace: str, pods: Sequence[Pod]) -> list[str]:
        """Returns the autoscalers whose workloads select one of the pods."""
        found = []
        for key, text in sorted(caches.selectors.items()):
            hpa = caches.autoscalers.get(key)
            if hpa is not None and hpa.metadata.namespace == namespace:
                selector = parse_label_selector(text)
                if any(selector.matches(pod.metadata.labels) for pod in pods):
                    found.append(key_of(hpa.metadata))
        return found

    async def _resize(self, caches: _Caches, path: str, scale: Scale, decision: Decision) -> None:
        """Writes the new size; after a conflict, into the newest scale. Raises StatusError."""
        for attempt in range(_TRIES):
            scale.spec.replicas = decision.replicas or 0
            try:
                await caches.client.raw("PUT", path, body=msgspec.json.encode(scale))
            except StatusError as error:
                if error.code != 409 or attempt == _TRIES - 1:
                    raise
                scale = _decode(await caches.client.raw("GET", path))
            else:
                return


def _decode(body: bytes) -> Scale:
    from fairlead.api.autoscaling.scale import Scale

    return msgspec.json.decode(body, type=Scale)

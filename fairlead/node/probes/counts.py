"""Counts the results of probes, as kubelets do at `/metrics/probes`."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.meta.types import ObjectMeta
from fairlead.base.metrics import Family, Sample
from fairlead.node.probes.result import ProbeResult, ProbeStatus

_RESULTS = {
    ProbeStatus.SUCCESS: "successful",
    ProbeStatus.WARNING: "successful",
    ProbeStatus.FAILURE: "failed",
    ProbeStatus.ERROR: "unknown",
}
_Key = tuple[str, str, str, str, str, str]


class ProbeCounts:
    """One node's counts, until the pod has gone."""

    def __init__(self) -> None:
        self._counts: dict[_Key, int] = {}

    def add(self, pod: ObjectMeta, container: str, probe: str, result: ProbeResult) -> None:
        key = (container, pod.namespace, pod.name, pod.uid, probe.title(), _RESULTS[result.status])
        self._counts[key] = self._counts.get(key, 0) + 1

    def forget(self, uid: str) -> None:
        """Removes the counts of a pod that has gone."""
        self._counts = {key: count for key, count in self._counts.items() if key[3] != uid}

    def families(self) -> Iterator[Family]:
        names = ("container", "namespace", "pod", "pod_uid", "probe_type", "result")
        samples = [Sample(count, tuple(zip(names, key, strict=True))) for key, count in self._counts.items()]
        yield Family("prober_probe_total", "counter", "Number of probes of each container by their results.", samples)

"""Metrics of the API server, under upstream's names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.base.metrics import Family, Histogram, Labels, Sample, render
from fairlead.base.process import build_info, process_families

# Upstream's buckets of apiserver_request_duration_seconds.
_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)


class Metrics:
    """Counts requests and streams, and renders them in Prometheus' text format."""

    def __init__(self, *, version: str) -> None:
        self._version = version
        self._requests: dict[tuple[str, str, int], int] = {}
        self._durations: dict[tuple[str, str], Histogram] = {}
        self._long: dict[tuple[str, str], int] = {}
        self.gauges: dict[str, Callable[[], Mapping[str, float]]] = {}
        """Called by each `render`: metric name -> {value of its label `resource`: number}."""

    def observe(self, info: RequestInfo | None, method: str, code: int, seconds: float) -> None:
        """Counts an answered request; `info` is None if the request is not about a resource."""
        verb, resource = (method, "") if info is None else (_COLLECTIONS.get(info.verb) or method, info.resource)
        key = (verb, resource, code)
        self._requests[key] = self._requests.get(key, 0) + 1
        histogram = self._durations.get((verb, resource))
        if histogram is None:
            histogram = self._durations[verb, resource] = Histogram(_BUCKETS)
        histogram.add(seconds)

    def count_open(self, verb: str, resource: str, by: int) -> None:
        """Counts the start (+1) or the end (-1) of a long-running request."""
        self._long[(verb, resource)] = self._long.get((verb, resource), 0) + by

    def render(self) -> bytes:
        return render(self._families()).encode()

    def _families(self) -> Iterator[Family]:
        yield Family(
            "apiserver_request_total",
            "counter",
            "Requests answered, by verb, resource and HTTP code.",
            [Sample(n, _who(verb, of, ("code", str(code)))) for (verb, of, code), n in sorted(self._requests.items())],
        )
        yield Family(
            "apiserver_request_duration_seconds",
            "histogram",
            "Time to answer a request, except watches and other streams.",
            [s for (verb, of), row in sorted(self._durations.items()) for s in row.samples(_who(verb, of))],
        )
        yield Family(
            "apiserver_longrunning_requests",
            "gauge",
            "Open streams.",
            [Sample(n, _who(verb, of)) for (verb, of), n in sorted(self._long.items())],
        )
        for name, read in sorted(self.gauges.items()):
            samples = [Sample(number, (("resource", of),)) for of, number in sorted(read().items())]
            yield Family(name, "gauge", "Objects by resource.", samples)
        yield build_info(self._version)
        yield from process_families()


_COLLECTIONS = {"list": "LIST", "watch": "WATCH", "deletecollection": "DELETECOLLECTION"}


def _who(verb: str, resource: str, *more: tuple[str, str]) -> Labels:
    return (*more, ("resource", resource), ("verb", verb))

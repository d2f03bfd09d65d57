"""Counters of the API server in Prometheus' text format, under upstream's names. Written by hand: three shapes."""

from __future__ import annotations

import resource
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping

from fairlead.base.clock import Clock

# Upstream's buckets of apiserver_request_duration_seconds.
_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
Labels = tuple[tuple[str, str], ...]


class Metrics:
    def __init__(self, *, clock: Clock, version: str) -> None:
        self._clock = clock
        self._version = version
        self._started = clock.now()
        self._requests: dict[tuple[str, str, int], int] = {}
        self._durations: dict[tuple[str, str], list[float]] = {}
        self._long: dict[tuple[str, str], int] = {}
        self.gauges: dict[str, Callable[[], Mapping[str, float]]] = {}
        """Read when asked: metric name -> {value of its label `resource`: number}."""

    def observe(self, verb: str, resource: str, code: int, seconds: float) -> None:
        """One answered request."""
        key = (verb, resource, code)
        self._requests[key] = self._requests.get(key, 0) + 1
        row = self._durations.get((verb, resource))
        if row is None:
            # A count a bucket, one for what is above the last, and the sum.
            row = self._durations[(verb, resource)] = [0.0] * (len(_BUCKETS) + 2)
        row[bisect_left(_BUCKETS, seconds)] += 1
        row[-1] += seconds

    def opened(self, verb: str, resource: str, by: int) -> None:
        """A long-running request began (+1) or ended (-1)."""
        self._long[(verb, resource)] = self._long.get((verb, resource), 0) + by

    def render(self) -> bytes:
        return "".join(f"{line}\n" for line in self._lines()).encode()

    def _lines(self) -> Iterator[str]:
        yield from _header("apiserver_request_total", "counter", "Requests answered, by verb, resource and HTTP code.")
        for (verb, name, code), count in sorted(self._requests.items()):
            yield _sample("apiserver_request_total", _who(verb, name, ("code", str(code))), count)
        name = "apiserver_request_duration_seconds"
        yield from _header(name, "histogram", "Time to answer a request, watches and other streams aside.")
        for (verb, of), row in sorted(self._durations.items()):
            yield from _histogram(name, _who(verb, of), row)
        yield from _header("apiserver_longrunning_requests", "gauge", "Streams open now.")
        for (verb, of), count in sorted(self._long.items()):
            yield _sample("apiserver_longrunning_requests", _who(verb, of), count)
        for name, read in sorted(self.gauges.items()):
            yield from _header(name, "gauge", "Objects by resource.")
            for of, number in sorted(read().items()):
                yield _sample(name, (("resource", of),), number)
        yield from self._process()

    def _process(self) -> Iterator[str]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        yield from _header("process_cpu_seconds_total", "counter", "Processor time used by this process.")
        yield _sample("process_cpu_seconds_total", (), usage.ru_utime + usage.ru_stime)
        yield from _header("process_resident_memory_bytes", "gauge", "Largest resident memory of this process.")
        yield _sample("process_resident_memory_bytes", (), usage.ru_maxrss * 1024)
        yield from _header("process_start_time_seconds", "gauge", "When this process started serving.")
        yield _sample("process_start_time_seconds", (), self._started)
        yield from _header("kubernetes_build_info", "gauge", "What is running.")
        yield _sample("kubernetes_build_info", (("git_version", self._version),), 1)


def _who(verb: str, resource: str, *more: tuple[str, str]) -> Labels:
    return (*more, ("resource", resource), ("verb", verb))


def _header(name: str, type: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {type}"


def _sample(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{key}="{_escape(text)}"' for key, text in labels)
    number = str(int(value)) if value == int(value) else repr(value)
    return f"{name}{{{inside}}} {number}" if inside else f"{name} {number}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _histogram(name: str, labels: Labels, row: list[float]) -> Iterator[str]:
    total = 0.0
    for bound, count in zip(_BUCKETS, row, strict=False):
        total += count
        yield _sample(f"{name}_bucket", (*labels, ("le", f"{bound:g}")), total)
    total += row[len(_BUCKETS)]
    yield _sample(f"{name}_bucket", (*labels, ("le", "+Inf")), total)
    yield _sample(f"{name}_sum", labels, row[-1])
    yield _sample(f"{name}_count", labels, total)

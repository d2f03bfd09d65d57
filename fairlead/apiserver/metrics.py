"""Metrics of the API server, under upstream's names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.base.metrics import Family, Histogram, Labels, Sample, render
from fairlead.base.process import build_info, process_families

# Upstream's buckets of apiserver_request_duration_seconds.
_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)


MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_COLLECTIONS = {"list": "LIST", "watch": "WATCH", "deletecollection": "DELETECOLLECTION"}

_CONNECTING = frozenset({"attach", "exec", "portforward", "proxy"})

MetricsSource = Callable[[], Iterable[Family]]
RequestKey = tuple[str, str, str, str, str, str, bool, bool]
"""Method, verb, group, version, resource and subresource of a request, and if it has a namespace and a name."""


class _Answered:
    """The answered requests of one key: one look-up finds both."""

    __slots__ = ("codes", "durations")

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.durations = Histogram(_BUCKETS)


def _by_key(item: tuple[RequestKey, _Answered]) -> RequestKey:
    return item[0]


class Metrics:
    """Counts requests and streams, and renders them in Prometheus' text format.

    Requests count in plain dictionaries; labels are made when the metrics are read.
    """

    def __init__(self, *, version: str) -> None:
        self._version = version
        self._answered: dict[RequestKey, _Answered] = {}
        self._long: dict[RequestKey, int] = {}
        self.in_flight = [0, 0]
        """The requests that are being answered: those that only read, and those that write."""
        self.authentications: dict[str, int] = {}
        """Attempts by their result: `success`, `failure` or `error`."""
        self.sources: list[MetricsSource] = []
        """Called by each `render`, for what other parts count."""

    def observe(self, info: RequestInfo | None, method: str, code: int, seconds: float) -> None:
        """Counts an answered request; `info` is None if the request is not about a resource."""
        key = _key(info, method)
        answered = self._answered.get(key)
        if answered is None:
            answered = self._answered[key] = _Answered()
        answered.codes[code] = answered.codes.get(code, 0) + 1
        answered.durations.add(seconds)

    def count_open(self, info: RequestInfo, method: str, by: int) -> None:
        """Counts the start (+1) or the end (-1) of a long-running request."""
        key = _key(info if info.is_resource_request else None, method)
        self._long[key] = self._long.get(key, 0) + by

    def count_authentication(self, result: str) -> None:
        self.authentications[result] = self.authentications.get(result, 0) + 1

    def render(self) -> bytes:
        return render(self._families()).encode()

    def _families(self) -> Iterator[Family]:
        yield Family(
            "apiserver_request_total",
            "counter",
            "Requests answered, by verb, resource and HTTP code.",
            [
                Sample(n, (("code", str(code)), *_labels(key)))
                for key, answered in sorted(self._answered.items(), key=_by_key)
                for code, n in sorted(answered.codes.items())
            ],
        )
        yield Family(
            "apiserver_request_duration_seconds",
            "histogram",
            "Time to answer a request, except watches and other streams.",
            [
                sample
                for key, answered in sorted(self._answered.items(), key=_by_key)
                for sample in answered.durations.samples(_labels(key))
            ],
        )
        yield Family(
            "apiserver_longrunning_requests",
            "gauge",
            "Open streams.",
            [Sample(n, _labels(key)) for key, n in sorted(self._long.items())],
        )
        kinds = zip(("readOnly", "mutating"), self.in_flight, strict=True)
        yield Family(
            "apiserver_current_inflight_requests",
            "gauge",
            "Requests that are being answered, without open streams.",
            [Sample(n, (("request_kind", name),)) for name, n in kinds],
        )
        yield Family(
            "authentication_attempts",
            "counter",
            "Attempts to authenticate a request, by their result.",
            [Sample(n, (("result", result),)) for result, n in sorted(self.authentications.items())],
        )
        for source in self.sources:
            yield from source()
        yield build_info(self._version)
        yield from process_families()


def _key(info: RequestInfo | None, method: str) -> RequestKey:
    if info is None:
        return method, "", "", "", "", "", False, False
    return (
        method,
        info.verb,
        info.api_group,
        info.api_version,
        info.resource,
        info.subresource,
        bool(info.namespace),
        bool(info.name),
    )


def _labels(key: RequestKey) -> Labels:
    method, verb, group, version, resource, subresource, in_namespace, has_name = key
    scope = ""
    if resource:
        scope = "resource" if has_name or verb == "create" else "namespace" if in_namespace else "cluster"
    return (
        ("component", "apiserver"),
        ("group", group),
        ("resource", resource),
        ("scope", scope),
        ("subresource", subresource),
        ("verb", "CONNECT" if subresource in _CONNECTING else _COLLECTIONS.get(verb) or method),
        ("version", version),
    )

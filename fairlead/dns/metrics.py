"""Counts with CoreDNS's names, and their text for Prometheus. Pure.

A query costs three list or dictionary increments; labels are put together when somebody reads.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from fairlead.dns.wire import RCODE_NAMES, TYPE_NAMES

_SECONDS = (
    0.00025,
    0.0005,
    0.001,
    0.002,
    0.004,
    0.008,
    0.016,
    0.032,
    0.064,
    0.128,
    0.256,
    0.512,
    1.024,
    2.048,
    4.096,
    8.192,
)
_BYTES = (0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16000, 32000, 48000, 64000)
_PROGRAMMING = tuple(0.001 * 2**n for n in range(20))
_SERVER = 'server="dns://:53"'


class Histogram:
    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float, times: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    def lines(self, name: str, labels: str) -> Iterator[str]:
        total = 0
        for bound, count in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            total += count
            yield f'{name}_bucket{{{labels},le="{bound}"}} {total}'
        yield f"{name}_sum{{{labels}}} {self.sum:.9g}"
        yield f"{name}_count{{{labels}}} {total}"


class Metrics:
    """`protocol` is `udp` or `tcp`; `zone` what answered: the cluster's domain or `.`."""

    def __init__(self, zone: str) -> None:
        self.zone = zone
        self.requests: dict[tuple[str, str, int], int] = {}
        """By protocol, family, type; of fast answers, `hits`."""
        self.responses: dict[tuple[int, str], int] = {}
        """By code and part that answered (`kubernetes`, `hosts`, `forward`)."""
        self.hits: dict[str, list[int]] = {"1": [0] * 256, "2": [0] * 256}
        """By family (IPv4 is 1, IPv6 is 2): fast UDP answers by the type's low byte."""
        self.seconds = Histogram(_SECONDS)
        self.request_bytes = {"udp": Histogram(_BYTES), "tcp": Histogram(_BYTES)}
        self.response_bytes = {"udp": Histogram(_BYTES), "tcp": Histogram(_BYTES)}
        self.programming: dict[str, Histogram] = {}
        self.dnssec = 0
        self.panics = 0
        self.cache_hits: dict[str, int] = {"success": 0, "denial": 0}
        self.cache_misses = 0
        self.cache_entries: tuple[int, int] = (0, 0)
        self.cache_evictions: tuple[int, int] = (0, 0)
        self.forwarded: dict[tuple[str, int], int] = {}
        """Answers by upstream and code."""
        self.forward_failures: dict[str, int] = {}
        self.forward_seconds: dict[tuple[str, int], Histogram] = {}
        self.forward_sockets: dict[tuple[str, str, bool], int] = {}
        """By upstream and protocol: how often one was there, and how often it had to be made."""
        self.forward_full = 0
        self.forward_broken = 0
        self.hosts = 0
        self.failed_reloads = 0

    def asked(self, protocol: str, family: str, kind: int, size: int, *, dnssec: bool) -> None:
        key = (protocol, family, kind if kind in TYPE_NAMES else 0)
        self.requests[key] = self.requests.get(key, 0) + 1
        self.request_bytes[protocol].add(size)
        self.dnssec += dnssec

    def answered(self, protocol: str, rcode: int, part: str, size: int, seconds: float) -> None:
        key = (rcode, part)
        self.responses[key] = self.responses.get(key, 0) + 1
        self.response_bytes[protocol].add(size)
        self.seconds.add(seconds)

    def fast(self, count: int, others: int, asked: int, answered: int, seconds: float) -> None:
        """`count` answers that took `seconds`, of `asked` and `answered` bytes, all together; `others` of them were
        kept ones from upstream."""
        self.request_bytes["udp"].add(asked / count, count)
        self.response_bytes["udp"].add(answered / count, count)
        self.seconds.add(seconds / count, count)
        for part, times in (("kubernetes", count - others), ("forward", others)):
            if times:
                self.responses[0, part] = self.responses.get((0, part), 0) + times
        self.cache_hits["success"] += others

    def programmed(self, kind: str, seconds: float) -> None:
        """How long from a change to its answer, for `headless_with_selector` and its like."""
        if kind not in self.programming:
            self.programming[kind] = Histogram(_PROGRAMMING)
        self.programming[kind].add(seconds)

    def forward(self, upstream: str, rcode: int, seconds: float) -> None:
        key = (upstream, rcode)
        self.forwarded[key] = self.forwarded.get(key, 0) + 1
        self.forward_seconds.setdefault(key, Histogram(_SECONDS)).add(seconds)

    def forward_failed(self, upstream: str) -> None:
        self.forward_failures[upstream] = self.forward_failures.get(upstream, 0) + 1

    def socket_used(self, upstream: str, protocol: str, *, kept: bool) -> None:
        key = (upstream, protocol, kept)
        self.forward_sockets[key] = self.forward_sockets.get(key, 0) + 1

    def text(self, version: str) -> str:
        return "\n".join(self._lines(version)) + "\n"

    def _lines(self, version: str) -> Iterator[str]:
        place = f'{_SERVER},zone="{self.zone}",view=""'
        yield from _head("coredns_build_info", "gauge", "What runs; this is fairlead's own server.")
        yield f'coredns_build_info{{version="fairlead-{version}"}} 1'
        yield from _counter("coredns_panics_total", "Errors that a query caused inside the server.", self.panics)
        yield from _head("coredns_dns_requests_total", "counter", "Queries.")
        for (protocol, family, kind), count in sorted(self._requests().items()):
            labels = f'{place},proto="{protocol}",family="{family}",type="{TYPE_NAMES.get(kind, "other")}"'
            yield f"coredns_dns_requests_total{{{labels}}} {count}"
        yield from _head("coredns_dns_responses_total", "counter", "Answers.")
        for (rcode, part), count in sorted(self.responses.items()):
            labels = f'{place},rcode="{RCODE_NAMES.get(rcode, rcode)}",plugin="{part}"'
            yield f"coredns_dns_responses_total{{{labels}}} {count}"
        name = "coredns_dns_request_duration_seconds"
        yield from _head(name, "histogram", "Time from query to answer.")
        yield from self.seconds.lines(name, place)
        for name, text, sizes in (
            ("coredns_dns_request_size_bytes", "Of queries.", self.request_bytes),
            ("coredns_dns_response_size_bytes", "Of answers.", self.response_bytes),
        ):
            yield from _head(name, "histogram", text)
            for protocol, histogram in sizes.items():
                yield from histogram.lines(name, f'{place},proto="{protocol}"')
        yield from _counter("coredns_dns_do_requests_total", "Queries that want signatures.", self.dnssec, place)
        name = "coredns_kubernetes_dns_programming_duration_seconds"
        yield from _head(name, "histogram", "From a change of endpoints to its answer.")
        for service, histogram in sorted(self.programming.items()):
            yield from histogram.lines(name, f'service_kind="{service}"')
        yield from self._cache_lines()
        yield from self._forward_lines()
        yield from _head("coredns_hosts_entries", "gauge", "Names and addresses in `hosts`.")
        yield f"coredns_hosts_entries{{}} {self.hosts}"
        yield from _head("coredns_plugin_enabled", "gauge", "Parts of the server; all always work.")
        for part in ("cache", "forward", "hosts", "kubernetes"):
            yield f'coredns_plugin_enabled{{{_SERVER},zone=".",view="",name="{part}"}} 1'
        yield from _counter("coredns_reload_failed_total", "Settings that were refused.", self.failed_reloads)

    def _requests(self) -> dict[tuple[str, str, int], int]:
        found = dict(self.requests)
        for family, kinds in self.hits.items():
            for kind, count in enumerate(kinds):
                if count:
                    key = ("udp", family, kind if kind in TYPE_NAMES else 0)
                    found[key] = found.get(key, 0) + count
        return found

    def _cache_lines(self) -> Iterator[str]:
        yield from _head("coredns_cache_entries", "gauge", "Answers from upstream that are kept.")
        for kind, count in zip(("success", "denial"), self.cache_entries, strict=True):
            yield f'coredns_cache_entries{{{_SERVER},type="{kind}",zones=".",view=""}} {count}'
        yield from _head("coredns_cache_hits_total", "counter", "Questions answered from them.")
        for kind, count in self.cache_hits.items():
            yield f'coredns_cache_hits_total{{{_SERVER},type="{kind}",zones=".",view=""}} {count}'
        labels = f'{_SERVER},zones=".",view=""'
        yield from _counter("coredns_cache_misses_total", "Questions that had to be asked.", self.cache_misses, labels)
        asked = self.cache_misses + sum(self.cache_hits.values())
        yield from _counter("coredns_cache_requests_total", "Questions that could have been kept.", asked, labels)
        yield from _head("coredns_cache_evictions_total", "counter", "Answers that made room for others.")
        for kind, count in zip(("success", "denial"), self.cache_evictions, strict=True):
            yield f'coredns_cache_evictions_total{{{_SERVER},type="{kind}",zones=".",view=""}} {count}'

    def _forward_lines(self) -> Iterator[str]:
        name = "coredns_proxy_request_duration_seconds"
        yield from _head(name, "histogram", "Time an upstream took.")
        for (upstream, rcode), histogram in sorted(self.forward_seconds.items()):
            labels = f'proxy_name="forward",to="{upstream}",rcode="{RCODE_NAMES.get(rcode, rcode)}"'
            yield from histogram.lines(name, labels)
        yield from _head("coredns_forward_responses_total", "counter", "Answers of upstreams.")
        for (upstream, rcode), count in sorted(self.forwarded.items()):
            labels = f'to="{upstream}",rcode="{RCODE_NAMES.get(rcode, rcode)}"'
            yield f"coredns_forward_responses_total{{{labels}}} {count}"
        yield from _head(
            "coredns_proxy_healthcheck_failures_total", "counter", "Questions an upstream left unanswered."
        )
        for upstream, count in sorted(self.forward_failures.items()):
            yield f'coredns_proxy_healthcheck_failures_total{{proxy_name="forward",to="{upstream}"}} {count}'
        for kept, word, text in ((True, "hits", "Sockets used again."), (False, "misses", "Sockets opened.")):
            name = f"coredns_proxy_conn_cache_{word}_total"
            yield from _head(name, "counter", text)
            for (upstream, protocol, was_kept), count in sorted(self.forward_sockets.items()):
                if was_kept == kept:
                    yield f'{name}{{proxy_name="forward",to="{upstream}",proto="{protocol}"}} {count}'
        text = "Questions asked although no upstream was thought alive."
        yield from _counter("coredns_forward_healthcheck_broken_total", text, self.forward_broken)
        text = "Questions refused because too many were waiting."
        yield from _counter("coredns_forward_max_concurrent_rejects_total", text, self.forward_full)


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _counter(name: str, text: str, value: int, labels: str = "") -> Iterator[str]:
    yield from _head(name, "counter", text)
    yield f"{name}{{{labels}}} {value}" if labels else f"{name} {value}"

"""Counts with CoreDNS's names, and their text for Prometheus. Pure.

A query costs three list or dictionary increments; labels are built when the metrics are read.
"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.base.metrics import Family, Histogram, Labels, Sample, counter, gauge
from fairlead.dns.protocol.wire import RCODE_NAMES, TYPE_NAMES

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
_SERVER: Labels = (("server", "dns://:53"),)
_FORWARD: Labels = (("proxy_name", "forward"),)


class Metrics:
    """The counters. `protocol` is `udp` or `tcp`; `zone` is the cluster's domain or `.`."""

    def __init__(self, zone: str) -> None:
        self.zone = zone
        self.requests: dict[tuple[str, str, int], int] = {}
        """By protocol, family, type; fast answers are counted in `hits`."""
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
        """By upstream, protocol and whether an open socket was reused."""
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
        """Counts `count` fast answers. `seconds` and the bytes `asked` and `answered` are sums over all; `others`
        of the answers came from the upstream cache."""
        self.request_bytes["udp"].add(asked / count, count)
        self.response_bytes["udp"].add(answered / count, count)
        self.seconds.add(seconds / count, count)
        for part, times in (("kubernetes", count - others), ("forward", others)):
            if times:
                self.responses[0, part] = self.responses.get((0, part), 0) + times
        self.cache_hits["success"] += others

    def programmed(self, kind: str, seconds: float) -> None:
        """Records the seconds from a change to its answer. `kind` is for example `headless_with_selector`."""
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

    def families(self, version: str) -> Iterator[Family]:
        """Yields all metrics; `version` is the version of this program."""
        place: Labels = (*_SERVER, ("zone", self.zone), ("view", ""))
        build = (("version", f"fairlead-{version}"),)
        yield gauge("coredns_build_info", "Version of the running program, which is not CoreDNS; always 1.", 1, build)
        yield counter("coredns_panics_total", "Errors that a query caused inside the server.", self.panics)
        yield Family("coredns_dns_requests_total", "counter", "Queries.", list(self._request_samples(place)))
        responses = [
            Sample(count, (*place, ("rcode", _rcode(rcode)), ("plugin", part)))
            for (rcode, part), count in sorted(self.responses.items())
        ]
        yield Family("coredns_dns_responses_total", "counter", "Responses.", responses)
        name = "coredns_dns_request_duration_seconds"
        yield Family(name, "histogram", "Time from a query to its response.", list(self.seconds.samples(place)))
        for name, text, sizes in (
            ("coredns_dns_request_size_bytes", "Size of queries.", self.request_bytes),
            ("coredns_dns_response_size_bytes", "Size of responses.", self.response_bytes),
        ):
            samples = [s for protocol, row in sizes.items() for s in row.samples((*place, ("proto", protocol)))]
            yield Family(name, "histogram", text, samples)
        yield counter("coredns_dns_do_requests_total", "Queries with the DO bit (RFC 3225).", self.dnssec, place)
        name = "coredns_kubernetes_dns_programming_duration_seconds"
        samples = [s for kind, row in sorted(self.programming.items()) for s in row.samples((("service_kind", kind),))]
        yield Family(name, "histogram", "Time from a change of endpoints to its answer.", samples)
        yield from self._cache_families()
        yield from self._forward_families()
        yield gauge("coredns_hosts_entries", "Names and addresses in the `hosts` setting.", self.hosts)
        parts = [
            Sample(1, (*_SERVER, ("zone", "."), ("view", ""), ("name", part)))
            for part in ("cache", "forward", "hosts", "kubernetes")
        ]
        yield Family("coredns_plugin_enabled", "gauge", "Parts of the server; all are always on.", parts)
        yield counter("coredns_reload_failed_total", "Settings that were refused.", self.failed_reloads)

    def _request_samples(self, place: Labels) -> Iterator[Sample]:
        for (protocol, family, kind), count in sorted(self._requests().items()):
            labels = (("proto", protocol), ("family", family), ("type", TYPE_NAMES.get(kind, "other")))
            yield Sample(count, (*place, *labels))

    def _requests(self) -> dict[tuple[str, str, int], int]:
        requests = dict(self.requests)
        for family, kinds in self.hits.items():
            for kind, count in enumerate(kinds):
                if count:
                    key = ("udp", family, kind if kind in TYPE_NAMES else 0)
                    requests[key] = requests.get(key, 0) + count
        return requests

    def _cache_families(self) -> Iterator[Family]:
        place: Labels = (("zones", "."), ("view", ""))

        def by_type(success: float, denial: float) -> list[Sample]:
            numbers = (("success", success), ("denial", denial))
            return [Sample(number, (*_SERVER, ("type", type_), *place)) for type_, number in numbers]

        yield Family("coredns_cache_entries", "gauge", "Cached upstream answers.", by_type(*self.cache_entries))
        hits = by_type(self.cache_hits["success"], self.cache_hits["denial"])
        yield Family("coredns_cache_hits_total", "counter", "Queries answered from the cache.", hits)
        labels = (*_SERVER, *place)
        yield counter("coredns_cache_misses_total", "Queries that had to be forwarded.", self.cache_misses, labels)
        asked = self.cache_misses + sum(self.cache_hits.values())
        yield counter("coredns_cache_requests_total", "Queries that could be cached.", asked, labels)
        evictions = by_type(*self.cache_evictions)
        yield Family("coredns_cache_evictions_total", "counter", "Cached answers dropped for newer ones.", evictions)

    def _forward_families(self) -> Iterator[Family]:
        durations = [
            s
            for (upstream, rcode), row in sorted(self.forward_seconds.items())
            for s in row.samples((*_FORWARD, ("to", upstream), ("rcode", _rcode(rcode))))
        ]
        name = "coredns_proxy_request_duration_seconds"
        yield Family(name, "histogram", "Time until an upstream answered.", durations)
        answers = [
            Sample(count, (("to", upstream), ("rcode", _rcode(rcode))))
            for (upstream, rcode), count in sorted(self.forwarded.items())
        ]
        yield Family("coredns_forward_responses_total", "counter", "Answers of upstreams.", answers)
        failures = [
            Sample(count, (*_FORWARD, ("to", upstream))) for upstream, count in sorted(self.forward_failures.items())
        ]
        name = "coredns_proxy_healthcheck_failures_total"
        yield Family(name, "counter", "Queries that an upstream left unanswered.", failures)
        for kept, word, text in ((True, "hits", "Sockets used again."), (False, "misses", "Sockets opened.")):
            uses = [
                Sample(count, (*_FORWARD, ("to", upstream), ("proto", protocol)))
                for (upstream, protocol, was_kept), count in sorted(self.forward_sockets.items())
                if was_kept == kept
            ]
            yield Family(f"coredns_proxy_conn_cache_{word}_total", "counter", text, uses)
        text = "Queries forwarded although no upstream was thought alive."
        yield counter("coredns_forward_healthcheck_broken_total", text, self.forward_broken)
        text = "Queries refused because too many were waiting."
        yield counter("coredns_forward_max_concurrent_rejects_total", text, self.forward_full)


def _rcode(rcode: int) -> str:
    return str(RCODE_NAMES.get(rcode, rcode))

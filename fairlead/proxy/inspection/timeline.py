"""The timeline of one Service: slice changes, the rules and DNS answers that follow them, connections, Pods. Pure.

Events come from several processes with times of one clock. A change of the endpoints starts a measurement; the rules
of each node and the DNS answer end it when they have the new endpoints.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from fairlead.proxy.inspection.ruleset import NftRules, RuleSet

Kind = Literal["service", "endpoints", "rules", "dns", "pod", "connections"]
LISTED = "LISTED"
"""Type of the event after those of all present objects."""
SECONDS = 40
"""Seconds of connections that a Pod's sparkline shows."""
_REMEMBERED = 20
"""Changes of the slices that a change of rules or DNS may follow."""
_DNAT = re.compile(r'--comment "([^"]*)".*--to-destination (\S+)')


class Event(NamedTuple):
    """An observation. `data` depends on the source."""

    source: str
    """`slices`, `pods`, `rules`, `dns` or `connections`."""
    at: float
    """Seconds of a monotonic clock."""
    data: Mapping[str, Any]


class Line(NamedTuple):
    """An entry of the timeline."""

    at: float
    kind: Kind
    text: str
    fields: Mapping[str, Any]

    def as_tree(self) -> dict[str, Any]:
        return {"kind": self.kind, "text": self.text, **self.fields}


class Frontend(NamedTuple):
    protocol: str
    ip: str
    """Empty for a node port."""
    port: int


class Timeline:
    def __init__(self, service: str, nodes: Iterable[str]) -> None:
        self.service = service
        self.nodes = tuple(nodes)
        self.endpoints: dict[str, str] = {}
        """Ready endpoints as `address:port`, and their Pods."""
        self.counts: dict[str, int] = {}
        """Connections by endpoint."""
        self.history: dict[str, deque[int]] = {}
        """Connections of each second by endpoint, the present second last."""
        self.latencies_ms: dict[str, float] = {}
        """Milliseconds from the last change of the endpoints to the rules of each node, and to `dns`."""
        self.pods: dict[str, str] = {}
        """State of each Pod."""
        self._slices: dict[str, dict[str, str]] = {}
        self._rules: dict[str, frozenset[str]] = {}
        self._answers: tuple[str, ...] | None = None
        self._sets: deque[tuple[float, frozenset[str]]] = deque(maxlen=_REMEMBERED)
        """The endpoints by the slices, with the time of each change."""
        self._names: dict[str, str] = {}
        """Pods by address, also of former endpoints."""

    def feed(self, event: Event) -> list[Line]:
        """Returns the entries that the event adds."""
        return [] if event.data.get("type") == LISTED else [*_HANDLERS[event.source](self, event)]

    def second(self, at: float) -> list[Line]:
        """Ends a second; returns the counts if there were connections in it."""
        new = {target: seconds[-1] for target, seconds in self.history.items() if seconds[-1]}
        for seconds in self.history.values():
            seconds.append(0)
        if not new:
            return []
        text = ", ".join(f"{self.name(target)} {count}" for target, count in sorted(new.items()))
        fields = {"new": new, "total": dict(sorted(self.counts.items()))}
        return [Line(at, "connections", f"new connections: {text}", fields)]

    def name(self, target: str) -> str:
        """Returns the Pod of an endpoint, or its address."""
        return self._names.get(self._plain(target), target)

    def _on_slices(self, event: Event) -> Iterator[Line]:
        name = event.data["object"]["metadata"]["name"]
        if event.data["type"] == "DELETED":
            self._slices.pop(name, None)
        else:
            self._slices[name] = dict(_ready(event.data["object"]))
        before, self.endpoints = self.endpoints, {k: v for each in self._slices.values() for k, v in each.items()}
        for target, pod in self.endpoints.items():
            self._names[self._plain(target)] = pod or target
        added, removed = sorted(self.endpoints.keys() - before), sorted(before.keys() - self.endpoints)
        if added or removed:
            now = frozenset(self.endpoints)
            self._sets.append((event.at, now))
            # A node may be faster than this program.
            self.latencies_ms = {node: 0.0 for node, targets in self._rules.items() if targets == now}
            changes = self._changes(added, removed)
            text = f"endpoints: {changes}; {len(self.endpoints)} ready (slice {name})"
            yield Line(event.at, "endpoints", text, {"added": added, "removed": removed, "slice": name})

    def _on_rules(self, event: Event) -> Iterator[Line]:
        node, targets = event.data["node"], frozenset(event.data["targets"])
        before = self._rules.get(node)
        self._rules[node] = targets
        if targets == before:
            return
        if before is None:
            text = f"rules on {node}: {_endpoints(targets)}"
            yield Line(event.at, "rules", text, {"node": node, "endpoints": sorted(targets)})
            return
        added, removed = sorted(targets - before), sorted(before - targets)
        delay = self._delay(node, event.at, added, removed)
        fields = {"node": node, "added": added, "removed": removed, "delayMs": delay}
        text = f"rules on {node}: {self._changes(added, removed)}; {_endpoints(targets)}{_after(delay)}"
        yield Line(event.at, "rules", text, fields)

    def _on_dns(self, event: Event) -> Iterator[Line]:
        answers = tuple(sorted(event.data["answers"]))
        before, self._answers = self._answers, answers
        if answers == before:
            return
        if before is None:
            yield Line(event.at, "dns", f"DNS answers {_shown(answers)}", {"answers": [*answers], "delayMs": None})
            return
        plain = {self._plain(target): target for _, known in self._sets for target in known}
        added = [plain[ip] for ip in answers if ip not in before and ip in plain]
        removed = [plain[ip] for ip in before if ip not in answers and ip in plain]
        delay = self._delay("dns", event.at, added, removed) if added or removed else None
        text = f"DNS answers {_shown(answers)}{_after(delay)}"
        yield Line(event.at, "dns", text, {"answers": [*answers], "delayMs": delay})

    def _on_pods(self, event: Event) -> Iterator[Line]:
        pod = event.data["object"]
        name, state = pod["metadata"]["name"], _state(pod)
        if event.data["type"] == "DELETED":
            state = "gone"
        before = self.pods.get(name)
        for one in pod.get("status", {}).get("podIPs", ()):
            self._names[one["ip"]] = name
        if state == "gone":
            self.pods.pop(name, None)
        else:
            self.pods[name] = state
        if state != before:
            revision = pod["metadata"].get("labels", {}).get("pod-template-hash", "")
            about = f", revision {revision}" if revision and before is None else ""
            node = pod["spec"].get("nodeName", "")
            text = f"Pod {name} is {state}{about}{f' on {node}' if node and before is None else ''}"
            yield Line(event.at, "pod", text, {"pod": name, "state": state, "revision": revision, "node": node})

    def _on_connections(self, event: Event) -> Iterator[Line]:
        target = event.data["endpoint"]
        self.counts[target] = self.counts.get(target, 0) + 1
        self.history.setdefault(target, deque([0], maxlen=SECONDS))[-1] += 1
        return iter(())

    def _changes(self, added: Iterable[str], removed: Iterable[str]) -> str:
        signed = [*(f"+ {self.name(one)}" for one in added), *(f"- {self.name(one)}" for one in removed)]
        return ", ".join(signed) if signed else "as before"

    def _delay(self, what: str, at: float, added: Iterable[str], removed: Iterable[str]) -> float | None:
        """Returns the milliseconds since the slices demanded a change; None if they do not, or not yet: this program
        and the nodes learn of a change at the same time, and either may be first."""
        since, gone = None, frozenset(removed)
        for changed_at, endpoints in reversed(self._sets):
            if not endpoints.issuperset(added) or endpoints & gone:
                break
            since = changed_at
        if since is None or since > at:
            return None
        self.latencies_ms[what] = round((at - since) * 1000, 1)
        return self.latencies_ms[what]

    @staticmethod
    def _plain(target: str) -> str:
        """Returns the address of an endpoint."""
        return target.rpartition(":")[0].strip("[]")


_HANDLERS: Mapping[str, Any] = {
    "slices": Timeline._on_slices,
    "rules": Timeline._on_rules,
    "dns": Timeline._on_dns,
    "pods": Timeline._on_pods,
    "connections": Timeline._on_connections,
}


def service_targets(rules: RuleSet | None, service: str, frontends: Iterable[Frontend]) -> set[str]:
    """Returns the endpoints that the rules send connections of a Service to, as `address:port`."""
    if rules is None:
        return set()
    if isinstance(rules, NftRules):
        return set(_nft_targets(rules, frontends))
    found = set()
    for name, each in rules.table("nat").items():
        for rule in each if name.startswith("KUBE-SEP-") else ():
            match = _DNAT.search(rule)
            if match and match[1].partition(":")[0] == service:
                found.add(match[2])
    return found


def _nft_targets(rules: NftRules, frontends: Iterable[Frontend]) -> Iterator[str]:
    keys = {
        ("node_endpoints", f"{one.protocol} . {one.port} . ")
        if not one.ip
        else ("endpoints", f"{one.protocol} . {one.ip} . {one.port} . ")
        for one in frontends
    }
    for set_name, start in keys:
        for key, value in rules.listing.elements.get(set_name, {}).items():
            if key.startswith(start):
                ip, _, port = value.partition(" . ")
                yield f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def sparkline(counts: Iterable[int], width: int = SECONDS) -> str:
    """Returns the counts as a line of blocks; the highest count is a full block."""
    shown = [*counts][-width:]
    most = max(shown, default=0)
    blocks = "▁▂▃▄▅▆▇█"
    return "".join(blocks[(count * (len(blocks) - 1) + most - 1) // most if most else 0] for count in shown)


def _ready(piece: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields address and port of each ready endpoint of a slice, and its Pod."""
    for endpoint in piece.get("endpoints") or ():
        if endpoint.get("conditions", {}).get("ready") is False:
            continue
        target = endpoint.get("targetRef") or {}
        pod = target.get("name", "") if target.get("kind") == "Pod" else ""
        for ip in endpoint.get("addresses", ())[:1]:
            for port in piece.get("ports") or ():
                if port.get("port"):
                    yield (f"[{ip}]:{port['port']}" if ":" in ip else f"{ip}:{port['port']}"), pod


def _state(pod: Mapping[str, Any]) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "terminating"
    conditions = {one["type"]: one["status"] for one in pod.get("status", {}).get("conditions") or ()}
    if conditions.get("Ready") == "True":
        return "ready"
    phase = pod.get("status", {}).get("phase", "Pending")
    return "not ready" if phase == "Running" else str(phase).lower()


def _endpoints(targets: Collection[str]) -> str:
    return "1 endpoint" if len(targets) == 1 else f"{len(targets)} endpoints"


def _shown(answers: Iterable[str]) -> str:
    return ", ".join(answers) or "no address"


def _after(delay: float | None) -> str:
    return "" if delay is None else f", {delay:g} ms after the slice"

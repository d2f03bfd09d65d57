"""Tries a Service of a running cluster: real connections and questions from a place in it, and what the kernels track.

All of it happens in one child in the cluster's namespaces (`innodes.py`), without root. A connection is closed as soon
as it is accepted; nothing is sent.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.state import Run
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.cmd.nodes.innodes import in_namespaces
from fairlead.cmd.nodes.nodeentry import holder
from fairlead.cmd.wiring.podsockets import process_at
from fairlead.explain.tried import ANSWERED, REFUSED, SILENT, UNREACHABLE, Dial, Lookup, Tried

if TYPE_CHECKING:
    from fairlead.explain.snapshot import Snapshot

DIAL_S, ASK_S = 2.0, 1.0
_TRIES = 2
_MOST_DIALS = 8
_SENDER = "sender"
Tree = Any


class Place(NamedTuple):
    """A place from which to try."""

    label: str
    pid: int
    """0: this process' own network, the host's."""


def find_place(text: str, run: Run, pods: Sequence[Any]) -> Place:
    """Returns the place that `--from` names: pod/NAME (of `pods`), node/NAME or host; the first node if it is empty.
    Raises UsageError, CommandError."""
    kind, _, name = text.partition("/")
    if text == "host":
        return Place("this machine", 0)
    if not text or (kind in ("node", "nodes", "no") and name):
        node = name or run.nodes[0].name
        return Place(node, holder(run, node))
    if kind not in ("pod", "pods", "po") or not name:
        raise UsageError(f'invalid --from "{text}": expected pod/NAME, node/NAME or host')
    pod = next((one for one in pods if one.metadata.name == name), None)
    if pod is None:
        raise UsageError(f'--from {text}: there is no Pod "{name}" in this namespace')
    addresses = [one.ip for one in pod.status.podIPs]
    pid = next((found for address in addresses if (found := process_at(run.pid, address))), 0)
    if not pid:
        raise CommandError(f"--from {text}: no process of the Pod runs on this machine")
    return Place(f"pod/{name}", pid)


def try_service(s: Snapshot, place: Place, run: Run, config: ClusterConfig, *, domain: str) -> Tried:
    """Returns the observations. Raises CommandError if the cluster's namespaces cannot be entered."""
    dials = _dials(s, place)
    if not place.pid:
        return Tried(place.label, tuple(_dial(*one) for one in dials))
    name = f"{s.name}.{s.namespace}.svc.{domain}"
    udp = [port.port for port in s.ports if port.protocol == "UDP"]

    def work(key: str) -> Tree:
        if key != _SENDER:
            return _tracked_udp(set(s.found.spec.clusterIPs), set(udp))
        found = [_dial(*one) for one in dials]
        return {"dials": [list(one) for one in found], "lookup": list(_ask(name, config.dns_ip))}

    nodes = {node.name: holder(run, node.name) for node in run.nodes} if udp else {}
    answers = in_namespaces({_SENDER: place.pid, **nodes}, work)
    asked, server, outcome, rcode, aliases, addresses = answers[_SENDER]["lookup"]
    return Tried(
        place.label,
        tuple(Dial(*one) for one in answers[_SENDER]["dials"]),
        Lookup(asked, server, outcome, rcode, tuple(aliases), tuple(addresses)),
        tuple(_stale(s, (entry for node in nodes for entry in answers[node]))),
    )


def _dials(s: Snapshot, place: Place) -> list[tuple[str, str, int]]:
    """Returns port, address and number of each connection to make."""
    spec = s.found.spec
    if spec.type == "ExternalName":
        return []
    if not place.pid:
        return list(_on_host(s.host_urls))
    ports = [port for port in s.ports if (port.protocol or "TCP") == "TCP"]
    address = spec.clusterIP if spec.clusterIP != "None" else ""
    if address:
        return [(f"{port.port}/TCP", address, port.port) for port in ports][:_MOST_DIALS]
    ends = [(one.addresses[0], piece) for piece in s.slices for one in piece.endpoints if one in s.serving]
    return [
        (f"{port.port or 0}/TCP", end, port.port or 0)
        for end, piece in ends[:1]
        for port in piece.ports or []
        if (port.protocol or "TCP") == "TCP"
    ][:_MOST_DIALS]


def _on_host(urls: Iterable[str]) -> Iterator[tuple[str, str, int]]:
    from urllib.parse import urlsplit

    for entry in urls:
        port, _, url = entry.partition("=")
        split = urlsplit(url)
        if port.endswith("/TCP") and split.hostname:
            yield port, split.hostname, split.port or {"https": 443}.get(split.scheme, 80)


def _dial(port: str, address: str, number: int) -> Dial:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(DIAL_S)
        try:
            sock.connect((address, number))
        except TimeoutError:
            return Dial(port, address, number, SILENT)
        except ConnectionError:
            return Dial(port, address, number, REFUSED)
        except OSError as e:
            return Dial(port, address, number, UNREACHABLE, e.strerror or str(e))
    return Dial(port, address, number, ANSWERED)


def _ask(name: str, server: str) -> Lookup:
    """Asks one server for the IPv4 addresses of a name, again after a silence."""
    from fairlead.cmd.inspection.asking import ask

    found = ask(name, server, timeout_s=ASK_S, tries=_TRIES)
    return Lookup(name, server, found.outcome, found.rcode, found.aliases, found.addresses)


def _tracked_udp(addresses: set[str], ports: set[int]) -> Tree:
    from fairlead.net.conntrack.tracking import entries

    return [
        list(one)
        for one in entries("ip")
        if one.protocol == "udp" and one.target in addresses and one.target_port in ports
    ]


def _stale(s: Snapshot, entries: Iterable[Sequence[Any]]) -> Iterator[str]:
    from fairlead.net.conntrack.entries import Entry

    serving = {address for endpoint in s.serving for address in endpoint.addresses}
    for fields in entries:
        entry = Entry(*fields)
        if entry.translated and entry.reply_source not in serving:
            yield f"{entry.source}:{entry.source_port} still sends to {entry.reply_source}:{entry.reply_source_port}"

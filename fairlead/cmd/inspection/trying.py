"""Tries a Service of a running cluster: real connections and questions from a place in it, and what the kernels track.

All of it happens in one child in the cluster's namespaces (`innodes.py`), without root. A connection is closed as soon
as it is accepted; `explain/requests.py` says to which ports a request is sent besides.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from fairlead.base.clock import RealClock
from fairlead.base.texts import text
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.state import Run
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.cmd.nodes.innodes import in_namespaces
from fairlead.cmd.nodes.nodeentry import holder
from fairlead.cmd.wiring.podsockets import process_at
from fairlead.explain.dialling import by_hand_dials, dials_to
from fairlead.explain.outcomes import ANSWERED, REFUSED, SILENT, UNREACHABLE
from fairlead.explain.resolver import parse
from fairlead.explain.tried import Dial, Lookup, Reply, Tried
from fairlead.explain.words import Message

if TYPE_CHECKING:
    from fairlead.explain.requests import Request
    from fairlead.explain.snapshot import Snapshot

DIAL_S, ASK_S = 2.0, 1.0
_TRIES = 2
_CLOCK = RealClock()
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


def try_service(
    s: Snapshot, place: Place, run: Run, config: ClusterConfig, *, domain: str, requests: Sequence[Request] = ()
) -> Tried:
    """Returns the observations. Raises CommandError if the cluster's namespaces cannot be entered."""
    dials = dials_to(s) if place.pid else list(_on_host(s.host_urls))
    if not place.pid:
        return Tried(place.label, tuple(_dial(*one) for one in dials))
    name = f"{s.name}.{s.namespace}.svc.{domain}"
    by_hand, own = by_hand_dials(s), _own_servers(place, config.dns_ip)
    udp = [port.port for port in s.ports if port.protocol == "UDP"]

    def work(key: str) -> Tree:
        if key != _SENDER:
            return _tracked_udp(set(s.found.spec.clusterIPs), set(udp))
        return {
            "dials": [list(_dial(*one)) for one in dials],
            "endpoints": [list(one) for one in dial_all(by_hand)],
            "lookup": list(_ask(name, own or (config.dns_ip,))),
            "replies": _request_all(requests, name),
        }

    nodes = {node.name: holder(run, node.name) for node in run.nodes} if udp else {}
    answers = in_namespaces({_SENDER: place.pid, **nodes}, work)
    asked, server, outcome, rcode, aliases, addresses, _ = answers[_SENDER]["lookup"]
    return Tried(
        place.label,
        tuple(Dial(*one) for one in answers[_SENDER]["dials"]),
        tuple(Dial(*one) for one in answers[_SENDER]["endpoints"]),
        Lookup(asked, server, outcome, rcode, tuple(aliases), tuple(addresses), own),
        tuple(_stale(s, (entry for node in nodes for entry in answers[node]))),
        replies=tuple(Reply(*one) for one in answers[_SENDER]["replies"]),
    )


def _request_all(requests: Sequence[Request], name: str) -> Tree:
    """Returns what becomes of each request, sent at the same time from this thread's network namespace."""
    if not requests:
        return []
    import asyncio

    from fairlead.dns.protocol.asked import A, make_question
    from fairlead.explain.requests import read_answers, targets
    from fairlead.node.streaming.trying import try_all

    netns = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = asyncio.run(try_all(netns, targets(requests, name, make_question(name, A, os.getpid() & 0xFFFF))))
    finally:
        os.close(netns)
    return [list(one) for one in read_answers(requests, found)]


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


def dial_all(ends: Sequence[tuple[str, str, int]], timeout_s: float = DIAL_S) -> list[Dial]:
    """Makes all connections at the same time, so that dead addresses cost one wait."""
    found = {end: Dial(*end, SILENT) for end in ends}
    with ExitStack() as stack, selectors.DefaultSelector() as waiting:
        for end in found:
            sock = stack.enter_context(
                socket.socket(socket.AF_INET6 if ":" in end[1] else socket.AF_INET, socket.SOCK_STREAM)
            )
            sock.setblocking(False)
            code = sock.connect_ex(end[1:])
            if code == errno.EINPROGRESS:
                waiting.register(sock, selectors.EVENT_WRITE, end)
            else:
                found[end] = _dialled(end, code)
        deadline = _CLOCK.monotonic() + timeout_s
        while waiting.get_map() and (left := deadline - _CLOCK.monotonic()) > 0:
            for key, _ in waiting.select(left):
                sock = cast("socket.socket", key.fileobj)
                found[key.data] = _dialled(key.data, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
                waiting.unregister(sock)
    return [found[end] for end in dict.fromkeys(ends)]


def _dialled(end: tuple[str, str, int], code: int) -> Dial:
    if code in (errno.ECONNREFUSED, errno.ECONNRESET):
        return Dial(*end, REFUSED)
    return Dial(*end, UNREACHABLE, os.strerror(code)) if code else Dial(*end, ANSWERED)


def _own_servers(place: Place, dns_ip: str) -> tuple[str, ...]:
    """Returns the name servers of a Pod that does not ask the cluster's DNS; empty for others."""
    if not place.label.startswith("pod/"):
        return ()
    try:
        conf = parse(Path(f"/proc/{place.pid}/root/etc/resolv.conf").read_text(errors="replace"))
    except OSError:  # another user's process
        return ()
    return () if dns_ip in conf.servers else conf.servers


def _ask(name: str, servers: Sequence[str]) -> Lookup:
    """Asks for both kinds of addresses of a name, again after a silence: of the first server that answers."""
    from fairlead.cmd.inspection.asking import AAAA, ask

    found = Lookup(name, servers[0], SILENT)
    for server in servers:
        four = ask(name, server, timeout_s=ASK_S, tries=_TRIES)
        found = Lookup(name, server, four.outcome, four.rcode, four.aliases, four.addresses)
        if four.outcome != ANSWERED:
            continue
        six = ask(name, server, kind=AAAA, timeout_s=ASK_S, tries=_TRIES)
        return found._replace(addresses=(*four.addresses, *six.addresses))
    return found


def _tracked_udp(addresses: set[str], ports: set[int]) -> Tree:
    from fairlead.net.conntrack.tracking import entries

    return [
        list(one)
        for family in ("ip", "ip6")
        for one in entries(family)
        if one.protocol == "udp" and one.target in addresses and one.target_port in ports
    ]


def _stale(s: Snapshot, entries: Iterable[Sequence[Any]]) -> Iterator[Message]:
    from fairlead.net.conntrack.entries import Entry

    serving = {address for endpoint in s.serving for address in endpoint.addresses}
    for fields in entries:
        entry = Entry(*fields)
        if entry.translated and entry.reply_source not in serving:
            yield text(
                "{client} still sends to {endpoint}",
                client=_join(entry.source, entry.source_port),
                endpoint=_join(entry.reply_source, entry.reply_source_port),
            )


def _join(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"

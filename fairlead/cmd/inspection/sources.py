"""The sources of a Service's timeline, each a child process that writes events as JSON lines.

Separate processes, because those that read kernels enter other namespaces, and none of them may wait for another.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from fairlead.base.clock import RealClock
from fairlead.cli.api import Api
from fairlead.net import linux
from fairlead.net.conntrack.entries import Entry
from fairlead.net.conntrack.tracking import NewConnections
from fairlead.net.family import Family
from fairlead.net.nft.batch import NftSocket
from fairlead.proxy.inspection.reading import read_rules
from fairlead.proxy.inspection.ruleset import parse_rules
from fairlead.proxy.inspection.timeline import LISTED, Event, Frontend, service_targets
from fairlead.proxy.settings.modes import facts_of

_POLL_S, _LEGACY_POLL_S, _DNS_POLL_S, _AGAIN_S = 0.002, 1.0, 0.02, 0.5
"""Seconds between two looks at a kernel's count of changes (10 µs each), at rules that no kernel counts, between two
DNS queries, and until a source that ended is started again."""

_LIST_END = "k8s.io/initial-events-end"
"""Annotation of the bookmark after the present objects (KEP-3157)."""

Emit = Callable[[dict[str, Any]], None]
_CLOCK = RealClock()
_IDENTS = count(1)


class Sources:
    """The running children. Leaving the context ends them."""

    def __init__(self) -> None:
        self._pipes: dict[int, tuple[str, bytes]] = {}
        self._pids: list[int] = []

    def start(self, source: str, work: Callable[[Emit], None]) -> None:
        """Starts a child whose events have this source."""
        mine, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(mine)
            _run(theirs, work)
        os.close(theirs)
        self._pipes[mine] = source, b""
        self._pids.append(pid)

    def events(self, timeout_s: float) -> list[Event]:
        """Waits for events for at most the time; returns the first ones, by their time."""
        return sorted(self._read(timeout_s), key=lambda event: event.at)

    def _read(self, timeout_s: float) -> Iterator[Event]:
        ready, _, _ = select.select([*self._pipes], [], [], timeout_s)
        for fd in ready:
            source, rest = self._pipes[fd]
            data = os.read(fd, 1 << 16)
            if not data:
                del self._pipes[fd]
                os.close(fd)
                continue
            *lines, rest = (rest + data).split(b"\n")
            self._pipes[fd] = source, rest
            for line in lines:
                tree = json.loads(line)
                yield Event(source, tree.pop("at"), tree)

    @property
    def running(self) -> bool:
        return bool(self._pipes)

    def close(self) -> None:
        for pid in self._pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for fd in self._pipes:
            os.close(fd)
        self._pids, self._pipes = [], {}

    def __enter__(self) -> Sources:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _run(pipe: int, work: Callable[[Emit], None]) -> None:
    """Runs the child, and again if it fails: a node may be restarting."""
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets Ctrl-C too and ends this process
    try:
        while True:
            with contextlib.suppress(Exception):
                work(lambda tree: _write(pipe, {"at": _CLOCK.monotonic(), **tree}))
            time.sleep(_AGAIN_S)
    finally:
        os._exit(0)


def _write(pipe: int, tree: Mapping[str, Any]) -> None:
    data = json.dumps(tree).encode() + b"\n"
    try:
        while data:
            data = data[os.write(pipe, data) :]
    except BrokenPipeError:
        os._exit(0)


def watch_objects(make: Callable[[], Api], path: str) -> Callable[[Emit], None]:
    """Returns a source of the objects of a list, and of their changes; `LISTED` follows the present objects."""
    streamed = f"{path}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"

    def work(emit: Emit) -> None:
        for event in make().watch(streamed):
            if event["type"] != "BOOKMARK":
                emit({"type": event["type"], "object": event["object"]})
            elif _LIST_END in event["object"]["metadata"].get("annotations", {}):
                emit({"type": LISTED})

    return work


def _enter(fds: Sequence[int]) -> None:
    user, net = fds
    linux.setns(user, linux.CLONE_NEWUSER)
    linux.setns(net, linux.CLONE_NEWNET)


def watch_rules(
    fds: Sequence[int], node: str, families: Sequence[Family], service: str, frontends: Sequence[Frontend]
) -> Callable[[Emit], None]:
    """Returns a source of the endpoints that a node's rules send a Service's connections to. `fds`: the user and the
    network namespace."""

    def work(emit: Emit) -> None:
        _enter_once(fds)
        sock, before, seen = NftSocket(), None, -1
        while True:
            generation = sock.generation()
            if generation == seen:
                time.sleep(_POLL_S)
                continue
            at, seen = _CLOCK.monotonic(), generation
            texts = [read_rules(family) for family in families]
            rules = [parse_rules(text, family) for text, family in zip(texts, families, strict=True)]
            targets = sorted({t for each in rules for t in service_targets(each, service, frontends)})
            if targets != before:
                before = targets
                emit({"at": at, "node": node, "targets": targets})
            if not all(facts_of(text.mode).counted for text in texts):
                # The kernel counts changes of iptables by nf_tables, but not those of the legacy variant.
                time.sleep(_LEGACY_POLL_S / 10)
                seen = -1

    return work


def watch_connections(fds: Sequence[int], node: str, takes: Callable[[Entry], bool]) -> Callable[[Emit], None]:
    """Returns a source of new connections that `takes` takes for the Service's."""

    def work(emit: Emit) -> None:
        _enter_once(fds)
        connections = NewConnections()
        while True:
            for entry in connections.receive():
                if takes(entry):
                    host = f"[{entry.reply_source}]" if ":" in entry.reply_source else entry.reply_source
                    emit({"node": node, "client": entry.source, "endpoint": f"{host}:{entry.reply_source_port}"})

    return work


def watch_dns(fds: Sequence[int], server: str, name: str, families: Sequence[Family]) -> Callable[[Emit], None]:
    """Returns a source of the answers of the cluster's DNS for a name, asked from a node."""

    def work(emit: Emit) -> None:
        _enter_once(fds)
        before = None
        with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(_AGAIN_S)
            sock.connect((server, 53))
            while True:
                answers = sorted({ip for family in families for ip in _ask(sock, name, family)})
                if answers != before:
                    before = answers
                    emit({"answers": answers})
                time.sleep(_DNS_POLL_S)

    return work


def _ask(sock: socket.socket, name: str, family: Family) -> list[str]:
    """Returns the addresses of a name. Raises OSError and Malformed."""
    from fairlead.dns.protocol.message import answer_records, parse_reply
    from fairlead.dns.protocol.wire import AAAA, IN, A, encode_name, make_query, render_address

    kind = AAAA if family.table == "ip6" else A
    question = encode_name(name) + kind.to_bytes(2) + IN.to_bytes(2)
    ident = next(_IDENTS) & 0xFFFF
    sock.send(make_query(ident, question))
    reply = parse_reply(sock.recv(4096), ident, question)
    return [render_address(record.rdata) for record in answer_records(reply, question, age_s=0) if record.type == kind]


_entered: list[bool] = []


def _enter_once(fds: Sequence[int]) -> None:
    """Enters the namespaces, unless an earlier run of this child did."""
    if not _entered:
        _enter(fds)
        _entered.append(True)

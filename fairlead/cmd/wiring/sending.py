"""Sends one real packet from a Pod, a node or the host's side of a cluster, and observes it on the nodes.

It changes the network namespace of its thread, which must be in the cluster's user namespace and end afterwards: a
child of the command (`innodes.py`), or a thread of the control plane.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.net import linux
from fairlead.net.conntrack.entries import Entry
from fairlead.net.conntrack.tracking import entries as tracked
from fairlead.net.errors import KernelError
from fairlead.net.nft.nftrace import KernelTrace
from fairlead.proxy.inspection.live import Observed

_TIMEOUT_S = {"tcp": 0.9, "udp": 0.5}
"""TCP retransmits a lost first packet after a second."""
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}

Tree = dict[str, Any]


def send(sender: int, nodes: Mapping[str, int], *, source: str, target: str, port: int, protocol: str) -> Tree:
    """Returns what was observed, as a JSON tree. `sender` and `nodes` are open network namespaces."""
    family = "ip6" if ":" in target else "ip"
    _enter(sender)
    kind = socket.AF_INET6 if family == "ip6" else socket.AF_INET
    with socket.socket(kind, _KINDS[protocol]) as sock, contextlib.ExitStack() as stack:
        sock.settimeout(_TIMEOUT_S[protocol])
        try:
            sock.bind((source, 0))
        except OSError as error:
            detail = f"cannot send from {source}: {error.strerror}"
            return {"outcome": "unreachable", "detail": detail, "source": source}
        number = sock.getsockname()[1]
        traces = dict(_traces(nodes, protocol, number, stack))
        outcome, detail = _dial(sock, target, port, protocol)
        met = {node: trace.met() if trace is not None else None for node, trace in traces.items()}
        entries = {node: entry for node, fd in nodes.items() if (entry := _entry(fd, family, protocol, number, port))}
    return {
        "outcome": outcome,
        "detail": detail,
        "source": source,
        "source_port": number,
        "entries": {node: list(entry) for node, entry in entries.items()},
        "met": {node: found if found is None else [list(one) for one in found] for node, found in met.items()},
    }


def observed(tree: Tree) -> Observed:
    """Returns the observations that `send` returned as a tree."""
    entries = {node: Entry(*fields) for node, fields in tree.get("entries", {}).items()}
    met = {n: None if found is None else [(t, c) for t, c in found] for n, found in tree.get("met", {}).items()}
    return Observed(tree["outcome"], tree["detail"], tree["source"], tree.get("source_port", 0), entries, met)


def _traces(
    nodes: Mapping[str, int], protocol: str, number: int, stack: contextlib.ExitStack
) -> Iterator[tuple[str, KernelTrace | None]]:
    for node, fd in nodes.items():
        _enter(fd)
        try:
            trace = KernelTrace(protocol, number)
        except KernelError:
            yield node, None
            continue
        # The table must be deleted in its namespace; the sockets of a trace stay there.
        stack.callback(trace.close)
        yield node, trace


def _dial(sock: socket.socket, target: str, port: int, protocol: str) -> tuple[str, str]:
    try:
        sock.connect((target, port))
        if protocol == "udp":
            sock.send(b"\n")
            sock.recv(1)
    except TimeoutError:
        return "silent", ""
    except ConnectionRefusedError:
        return "refused", ""
    except PermissionError:  # the node itself gets EPERM for a packet that its own rules drop or reject
        return "unreachable", "the node's own rules stopped it"
    except OSError as error:
        return "unreachable", error.strerror or str(error)
    return "answered", ""


def _entry(fd: int, family: str, protocol: str, number: int, port: int) -> Entry | None:
    _enter(fd)
    found = (entry for entry in tracked(family) if (entry.protocol, entry.source_port) == (protocol, number))
    return next(found, None)


def _enter(fd: int) -> None:
    linux.setns(fd, linux.CLONE_NEWNET)


def open_namespace(pid: int, kind: str = "net") -> int:
    return os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)

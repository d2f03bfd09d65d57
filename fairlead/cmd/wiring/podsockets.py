"""Reads the listening sockets of Pods on this machine from `/proc`.

Each process shows the sockets of its network namespace in `/proc/PID/net`, also to processes outside the namespace. A
process belongs to a Pod if its namespace has the Pod's address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv6Address
from itertools import pairwise
from pathlib import Path

from fairlead.explain.sockets import FILES, Listener, parse

_PROC = Path("/proc")


def listening_sockets(root: int, pods: Mapping[str, Sequence[str]]) -> dict[str, frozenset[Listener]]:
    """Returns the sockets by the Pod's name. `pods` has the Pods' addresses. Pods without a process are left out.
    `root` is a process of which all processes of the cluster descend."""
    missing = {address: name for name, addresses in pods.items() for address in addresses}
    found: dict[str, frozenset[Listener]] = {}
    for pid in _descendants(root):
        if len(found) == len(pods):
            break
        for address in _addresses(pid) & missing.keys():
            if missing[address] not in found:
                found[missing[address]] = frozenset(_sockets(pid))
    return found


def process_at(root: int, address: str) -> int:
    """Returns a process of the cluster whose network namespace has the address; 0 if none has it."""
    return processes_at(root, [address]).get(address, 0)


def processes_at(root: int, addresses: Iterable[str]) -> dict[str, int]:
    """Returns a process of the cluster for each of the addresses that the network namespace of one has."""
    wanted = set(addresses)
    found: dict[str, int] = {}
    for pid in _descendants(root):
        if len(found) == len(wanted):
            break
        for address in _addresses(pid) & wanted:
            found.setdefault(address, pid)
    return found


def _sockets(pid: int) -> Iterator[Listener]:
    for file, protocol in FILES:
        yield from parse(_read(pid, f"net/{file}"), protocol)


def _addresses(pid: int) -> set[str]:
    """Returns the addresses of the process' network namespace."""
    # A local address of the IPv4 routing table is "|-- ADDRESS", then "/32 host LOCAL".
    lines = _read(pid, "net/fib_trie").splitlines()
    local = {a.split()[-1] for a, b in pairwise(lines) if b.strip() == "/32 host LOCAL"}
    return local | {
        str(IPv6Address(bytes.fromhex(line.split()[0]))) for line in _read(pid, "net/if_inet6").splitlines()
    }


def _read(pid: int, name: str) -> str:
    try:
        return (_PROC / str(pid) / name).read_text(errors="replace")
    except OSError:  # the process has ended, or a family is switched off
        return ""


def _descendants(root: int) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        # The name of the program, in parentheses, may contain anything.
        if entry.name.isdigit() and (fields := _read(int(entry.name), "stat").rpartition(")")[2].split()):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    pending = [root]
    while pending:
        pid = pending.pop()
        yield pid
        pending += children.get(pid, ())

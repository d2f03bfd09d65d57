"""Reads the proxy's rules of the present network namespace from the kernel, in whichever mode they are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from fairlead.net.errors import KernelError
from fairlead.net.family import Family
from fairlead.net.iptables.run import IptablesKernel
from fairlead.net.nft.batch import NftSocket
from fairlead.net.nft.listing import parse_listing
from fairlead.net.nft.model import Missing, until_whole
from fairlead.net.nft.run import NftKernel
from fairlead.proxy.inspection.ruleset import NodeText, table_name
from fairlead.proxy.iptables.rules import SERVICES
from fairlead.proxy.nftables.rules import TABLE

_RECENT = Path("/proc/thread-self/net/xt_recent")


def read_rules(family: Family, *, variant: str = "") -> NodeText:
    """Returns the rules of the family. `variant`: the programs of iptables to use, `nft` or `legacy`; empty: the
    machine's. Raises KernelError."""
    kernel = NftKernel(numeric=False)
    try:
        if _has_table(family):
            return NodeText("nftables", family.name, until_whole(partial(_list, kernel, table_name(family))))
    except Missing:
        pass
    finally:
        kernel.close()
    return _iptables(family, variant)


def _list(kernel: NftKernel, name: str) -> str:
    text = kernel.run_text(f"list table {name}")
    parse_listing(text)  # raises Torn
    return text


def _has_table(family: Family) -> bool:
    sock = NftSocket()
    try:
        return TABLE in sock.tables(family.table)
    finally:
        sock.close()


def _iptables(family: Family, variant: str) -> NodeText:
    try:
        tables = IptablesKernel(family.table, kind=variant)
    except KernelError:
        return NodeText("", family.name)
    try:
        text = tables.save_text()
    finally:
        tables.close()
    if f":{SERVICES} " not in text:
        return NodeText("", family.name)
    return NodeText("iptables", family.name, text, dict(_recent(family)))


def _recent(family: Family) -> Iterator[tuple[str, list[str]]]:
    """Yields the lists of the module `recent`, with the clients of the family in each."""
    try:
        files = sorted(_RECENT.iterdir())
    except OSError:  # the module is not loaded: no Service has session affinity
        return
    for file in files:
        # A line is "src=10.244.1.2 ttl: 64 last_seen: 4295 oldest_pkt: 1 4295".
        try:
            lines = file.read_text().splitlines()
        except FileNotFoundError:  # the list's last rule went meanwhile
            continue
        clients = [line.split()[0].removeprefix("src=") for line in lines if line.strip()]
        if of_family := [client for client in map(_plain, clients) if family.has(client)]:
            yield file.name, of_family


def _plain(address: str) -> str:
    return str(ip_address(address))

"""Name servers and search domains of a resolv.conf."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.dns.config import BadConfig, parse_upstreams

RESOLV_CONF = "/etc/resolv.conf"
_MOST_SERVERS = 3


def read_servers(path: str) -> list[str]:
    """Returns the first three name servers of a resolv.conf, as the C library does."""
    return [server for line in _lines(path, "nameserver") for server in _server(line)][:_MOST_SERVERS]


def read_searches(path: str) -> list[str]:
    """Returns the search domains of a resolv.conf."""
    lists = [line.split()[1:] for line in _lines(path, "search", "domain")]
    return [name for name in lists[-1] if name != "."] if lists else []


def _server(line: str) -> Sequence[str]:
    try:
        return parse_upstreams("nameserver", "".join(line.split()[1:2]).partition("%")[0])
    except BadConfig:
        return ()


def _lines(path: str, *keywords: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return [line for line in file if line.split()[:1] and line.split()[0] in keywords]
    except OSError:
        return []

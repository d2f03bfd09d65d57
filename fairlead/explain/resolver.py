"""The settings of a resolver, and the names that it asks for (resolv.conf(5)). Pure."""

from __future__ import annotations

from typing import NamedTuple

from fairlead.explain.words import Message


class ResolvConf(NamedTuple):
    """The settings of a resolver."""

    servers: tuple[str, ...]
    searches: tuple[str, ...]
    ndots: int = 1
    read_from: Message = ""


def parse(content: str, read_from: Message = "") -> ResolvConf:
    """Reads the parts of a resolv.conf that the walk needs; the last `search` counts."""
    servers: list[str] = []
    searches: tuple[str, ...] = ()
    ndots = 1
    for line in content.splitlines():
        word, *rest = line.split() or [""]
        if word == "nameserver" and rest:
            servers.append(rest[0])
        elif word in ("search", "domain"):
            searches = tuple(one.rstrip(".") for one in rest)
        elif word == "options":
            ndots = next((int(one[6:]) for one in rest if one.startswith("ndots:") and one[6:].isdigit()), ndots)
    return ResolvConf(tuple(servers[:3]), searches, min(ndots, 15), read_from)


def candidates(name: str, conf: ResolvConf) -> list[str]:
    """Returns the absolute names in the order in which a resolver asks for them."""
    if name.endswith("."):
        return [name.rstrip(".")]
    expanded = [f"{name}.{search}" for search in conf.searches]
    return [name, *expanded] if name.count(".") >= conf.ndots else [*expanded, name]

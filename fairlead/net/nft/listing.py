"""A whole table, parsed from the output of `list table`: rules, and elements with those that rules made. Pure.

libnftables prints some rules in another form than they were written in: protocols as numbers, times as `10m`, and
`reject` without what it implies. `canonical` returns one form for both, which the tracer knows too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import takewhile

from fairlead.base.dataclass import dataclass
from fairlead.net.nft.model import Chain, put_once

_NAMES = {"icmpv6": "ipv6-icmp"}
"""Names that differ between versions of /etc/protocols."""
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp", "132": "sctp"}
_UNREACHABLE = {"ip": "icmp port-unreachable", "ip6": "icmpv6 port-unreachable"}
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = r"(?:\d+(?:ms|[dhms]))+"
_DYNAMIC = re.compile(rf"(?P<key>.*?)(?: timeout {_DURATION})?(?: expires (?P<expires>{_DURATION}))?")


@dataclass(frozen=True, slots=True)
class Listing:
    """The content of a table. Rules are canonical."""

    chains: Mapping[str, Chain]
    elements: Mapping[str, dict[str, str]]
    """Elements of every map and set, with those that rules made. The tracer changes the latter."""
    expires: Mapping[tuple[str, str], int]
    """Seconds until an element expires, by map and key."""
    dynamic: frozenset[str] = frozenset()
    """The maps that rules fill."""

    def copy(self) -> Listing:
        """Returns a copy whose dynamic maps can be changed."""
        own = {name: dict(self.elements[name]) for name in self.dynamic}
        return Listing(self.chains, {**self.elements, **own}, self.expires, self.dynamic)


def parse_listing(text: str) -> Listing:
    """Parses the output of `list table`. Raises Torn."""
    chains: dict[str, Chain] = {}
    elements: dict[str, dict[str, str]] = {}
    expires: dict[tuple[str, str], int] = {}
    dynamic: set[str] = set()
    lines = iter(text.splitlines())
    family = "ip"
    for line in lines:
        words = line.split()
        if words[:1] == ["table"]:
            family = words[1]
        elif words[:1] == ["chain"]:
            chains[words[1]] = _chain(words[1], _block(lines), family)
        elif words[:1] in (["map"], ["set"]):
            body = _block(lines)
            if any(part.startswith("flags") and "dynamic" in part for part in body):
                dynamic.add(words[1])
            elements[words[1]] = {}
            for key, value, left_s in _elements(body):
                put_once(elements[words[1]], key, value)
                if left_s is not None:
                    expires[words[1], key] = left_s
    return Listing(chains, elements, expires, frozenset(dynamic))


def canonical(rule: str, family: str) -> str:
    """Returns the rule in the form that does not depend on who wrote it. `family`: `ip` or `ip6`."""
    rule = re.sub(r"meta l4proto (\d+)\b", lambda m: f"meta l4proto {_PROTOCOLS.get(m[1], m[1])}", rule)
    rule = re.sub(r"meta l4proto (icmpv6)\b", lambda m: f"meta l4proto {_NAMES[m[1]]}", rule)
    rule = re.sub(r"meta l4proto \{ ([\d, ]+) \}", lambda m: f"meta l4proto {{ {_names(m[1])} }}", rule)
    rule = re.sub(r"\b0x0*([0-9a-f]+)\b", r"0x\1", rule)
    rule = re.sub(rf"timeout ({_DURATION})", lambda m: f"timeout {seconds(m[1])}s", rule)
    rule = re.sub(r'counter name "(\w+)"', r"counter name \1", rule)
    rule = re.sub(r"^(delete @.*) : (?:meta mark|0x0) \}$", r"\1 : 0x0 }", rule)
    rule = re.sub(r"^reject with tcp reset$", "meta l4proto tcp reject with tcp reset", rule)
    return re.sub(r"\breject$", f"reject with {_UNREACHABLE[family]}", rule)


def seconds(text: str) -> int:
    """Returns the seconds of a time as libnftables prints it, such as `1h30m`."""
    return sum(int(n) * _UNITS.get(unit, 0) for n, unit in re.findall(r"(\d+)(ms|[dhms])", text))


def _names(numbers: str) -> str:
    return ", ".join(_PROTOCOLS.get(number, number) for number in numbers.split(", "))


def _block(lines: Iterator[str]) -> list[str]:
    return [line.strip() for line in takewhile(lambda line: line != "\t}", lines)]


def _chain(name: str, body: list[str], family: str) -> Chain:
    hook = next((line.partition(";")[0] for line in body if " hook " in line), "")
    return Chain(name, tuple(canonical(line, family) for line in body if " hook " not in line), hook)


def _elements(body: list[str]) -> Iterator[tuple[str, str, int | None]]:
    """Yields key, value and the seconds until the element expires."""
    start = next((at for at, line in enumerate(body) if line.startswith("elements = {")), None)
    if start is None:
        return
    text = " ".join(body[start:]).partition("{")[2].rpartition("}")[0]
    for element in text.split(","):
        left, _, value = element.strip().partition(" : ")
        match = _DYNAMIC.fullmatch(left)
        assert match is not None
        protocol, dot, rest = match["key"].partition(" . ")
        key = _PROTOCOLS.get(protocol, protocol) + dot + rest if dot else match["key"]
        yield key, value, seconds(match["expires"]) if match["expires"] else None

"""The settings in ConfigMap `kube-system/fairlead-dns`, one key of `data` each. Pure.

domain         the cluster's domain                                        cluster.local
upstreams      who is asked about other names: `host` (what `fairlead up --upstream` says), `none`, or addresses
               in the cluster's network, as `10.244.1.9 10.244.2.9:5353`   host
stub.<domain>  the same for one domain and what is below it
pods           insecure | verified | disabled: pod records for any address, for living pods, for none
ttl            of cluster names, in seconds                                5
cacheSize      how many answers from upstream are kept                     10000
cacheTTL       how long at most, in seconds                                30
negativeTTL    how long at most that a name does not exist                 5
hosts          lines as in /etc/hosts
log            true: a line for each query
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fairlead.dns.wire import encode_name, pack_address, render_address

Pods = Literal["insecure", "verified", "disabled"]
HOST, NONE = "host", "none"


class BadConfig(ValueError):
    """The text says which key is wrong, and what it may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    domain: str = "cluster.local"
    upstreams: tuple[str, ...] = (HOST,)
    """`host`, or `address:port` (IPv6 in brackets). Empty: names of others are refused."""
    stubs: Mapping[bytes, tuple[str, ...]] = field(default_factory=dict)
    """By domain in wire form."""
    pods: Pods = "insecure"
    ttl_s: int = 5
    cache_size: int = 10_000
    cache_ttl_s: int = 30
    negative_ttl_s: int = 5
    hosts: Mapping[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    """Packed addresses by name in wire form."""
    hosts_reverse: Mapping[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    """Names by packed address."""
    log: bool = False


_NUMBERS = {
    "ttl": ("ttl_s", 0, 3600),
    "cacheSize": ("cache_size", 0, 1_000_000),
    "cacheTTL": ("cache_ttl_s", 0, 86400),
    "negativeTTL": ("negative_ttl_s", 0, 3600),
}


def parse_config(data: Mapping[str, str]) -> Config:
    """Raises BadConfig."""
    found: dict[str, object] = {}
    stubs: dict[bytes, tuple[str, ...]] = {}
    for key, raw in sorted(data.items()):
        value = raw.strip()
        if key == "domain":
            found["domain"] = _domain(key, value).lower().removesuffix(".")
        elif key == "upstreams":
            found["upstreams"] = parse_upstreams(key, value)
        elif key.startswith("stub."):
            stubs[encode_name(_domain(key, key.removeprefix("stub.")))] = parse_upstreams(key, value)
        elif key == "pods":
            found["pods"] = _one_of(key, value, ("insecure", "verified", "disabled"))
        elif key == "log":
            found["log"] = _one_of(key, value, ("true", "false")) == "true"
        elif key == "hosts":
            found["hosts"], found["hosts_reverse"] = _hosts(value)
        elif key in _NUMBERS:
            name, low, high = _NUMBERS[key]
            found[name] = _number(key, value, low, high)
        else:
            known = ", ".join(["domain", "upstreams", "stub.<domain>", "pods", "hosts", "log", *_NUMBERS])
            raise BadConfig(f"{key}: no such setting; there are {known}")
    return Config(stubs=stubs, **found)  # type: ignore[arg-type]


def _domain(key: str, value: str) -> str:
    try:
        if not value.strip("."):
            raise ValueError
        encode_name(value)
    except ValueError:
        raise BadConfig(f"{key}: {value!r} is not a domain") from None
    return value


def _one_of(key: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise BadConfig(f"{key}: {value!r} is not one of {', '.join(allowed)}")
    return value


def _number(key: str, value: str, low: int, high: int) -> int:
    if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
        raise BadConfig(f"{key}: {value!r} is not a number from {low} to {high}")
    return int(value)


def parse_upstreams(key: str, text: str) -> tuple[str, ...]:
    """`none`, or `host` and addresses in the order in which they are asked. Raises BadConfig."""
    words = text.replace(",", " ").split()
    if words == [NONE]:
        return ()
    if not words:
        raise BadConfig(f"{key}: name upstreams, or {NONE}")
    return tuple(HOST if word == HOST else _upstream(key, word) for word in words)


def _upstream(key: str, text: str) -> str:
    address, port = text, "53"
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    try:
        packed = pack_address(address)
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError
    except ValueError:
        raise BadConfig(f"{key}: {text!r} is not an address, or address:port") from None
    shown = render_address(packed)
    return f"[{shown}]:{port}" if len(packed) == 16 else f"{shown}:{port}"


def split_upstream(text: str) -> tuple[str, int]:
    """Address and port of what `parse_upstreams` gave."""
    address, _, port = text.rpartition(":")
    return address.strip("[]"), int(port)


def _hosts(text: str) -> tuple[dict[bytes, tuple[bytes, ...]], dict[bytes, tuple[bytes, ...]]]:
    forward: dict[bytes, tuple[bytes, ...]] = {}
    reverse: dict[bytes, tuple[bytes, ...]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            address, names = pack_address(words[0]), [encode_name(name) for name in words[1:]]
        except ValueError as error:
            raise BadConfig(f"hosts: line {number}: {error}") from None
        for name in names:
            forward[name] = (*forward.get(name, ()), address)
            reverse[address] = (*reverse.get(address, ()), name)
    return forward, reverse

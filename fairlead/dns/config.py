"""The settings in ConfigMap `kube-system/fairlead-dns`, one key of `data` each. Pure.

domain         the cluster's domain                                        cluster.local
upstreams      name servers for other names: `host` (those of `fairlead up --upstream`), `none`, or addresses
               in the cluster's network, as `10.244.1.9 10.244.2.9:5353`   host
stub.<domain>  name servers for one domain and the names below it
pods           pod records: insecure (for any address), verified (for addresses of running pods), disabled
ttl            TTL of cluster names, in seconds                            5
cacheSize      maximal number of cached upstream answers                   10000
cacheTTL       maximal time in the cache, in seconds                       30
negativeTTL    the same for negative answers, in seconds                   5
hosts          lines as in /etc/hosts
log            true: log a line for each query
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from typing import Annotated, Literal

from fairlead.base.codec import CodecError, Fault, Text, decode
from fairlead.base.dataclass import dataclass, field
from fairlead.base.numbers import natural, port_number
from fairlead.dns.protocol.wire import encode_name, pack_address, render_address

Pods = Literal["insecure", "verified", "disabled"]
HOST, NONE = "host", "none"


class BadConfig(ValueError):
    """Invalid settings. The text names each wrong key and the values that are allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    domain: str = "cluster.local"
    upstreams: tuple[str, ...] = (HOST,)
    """`host`, or `address:port` (IPv6 in brackets). Empty: queries for other names are refused."""
    stubs: Mapping[bytes, tuple[str, ...]] = field(default_factory=dict)
    """Upstreams by domain in wire form."""
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


def _domain(text: str) -> str:
    try:
        if not text.strip("."):
            raise ValueError
        encode_name(text)
    except ValueError:
        raise ValueError(f"invalid domain: {text!r}") from None
    return text.lower().removesuffix(".")


def _number(low: int, high: int, text: str) -> int:
    number = natural(text)
    if number is None or not low <= number <= high:
        raise ValueError(f"invalid number: {text!r}: expected {low} to {high}")
    return number


def _upstreams(text: str) -> tuple[str, ...]:
    words = text.replace(",", " ").split()
    if words == [NONE]:
        return ()
    if not words:
        raise ValueError(f"empty list: name upstreams, or {NONE}")
    return tuple(HOST if word == HOST else _upstream(word) for word in words)


def _upstream(text: str) -> str:
    address, port = text, "53"
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    try:
        packed = pack_address(address)
        if port_number(port) is None:
            raise ValueError
    except ValueError:
        raise ValueError(f"invalid upstream: {text!r}: expected an address, or address:port") from None
    shown = render_address(packed)
    return f"[{shown}]:{port}" if len(packed) == 16 else f"{shown}:{port}"


def _hosts(text: str) -> _Hosts:
    forward: dict[bytes, tuple[bytes, ...]] = {}
    reverse: dict[bytes, tuple[bytes, ...]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            address, names = pack_address(words[0]), [encode_name(name) for name in words[1:]]
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        for name in names:
            forward[name] = (*forward.get(name, ()), address)
            reverse[address] = (*reverse.get(address, ()), name)
    return _Hosts(forward, reverse)


@dataclass(frozen=True, slots=True)
class _Hosts:
    forward: Mapping[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    reverse: Mapping[bytes, tuple[bytes, ...]] = field(default_factory=dict)


Upstreams = Annotated[tuple[str, ...], Text(_upstreams)]


@dataclass(frozen=True, slots=True)
class _Data:
    """The keys of the ConfigMap, apart from those of stub domains."""

    domain: Annotated[str, Text(_domain)] = "cluster.local"
    upstreams: Upstreams = (HOST,)
    pods: Pods = "insecure"
    ttl: Annotated[int, Text(partial(_number, 0, 3600))] = 5
    cacheSize: Annotated[int, Text(partial(_number, 0, 1_000_000))] = 10_000
    cacheTTL: Annotated[int, Text(partial(_number, 0, 86400))] = 30
    negativeTTL: Annotated[int, Text(partial(_number, 0, 3600))] = 5
    hosts: Annotated[_Hosts, Text(_hosts)] = _Hosts()
    log: Literal["false", "true"] = "false"


_STUB = "stub."
_KEYS = tuple(one.name for one in fields(_Data))


def parse_config(data: Mapping[str, str]) -> Config:
    """Parses the settings. Raises BadConfig, which names every wrong key."""
    faults: list[Fault] = []
    values = {key: value.strip() for key, value in sorted(data.items())}
    stubs: dict[bytes, tuple[str, ...]] = {}
    for key, value in values.items():
        if key.startswith(_STUB):
            try:
                stubs |= _stub(key, value)
            except CodecError as e:
                faults += e.faults
        elif key not in _KEYS:
            faults.append(Fault(key, f"unknown setting (known: {', '.join([*_KEYS, f'{_STUB}<domain>'])})"))
    try:
        config = _config(decode(_Data, {key: values[key] for key in _KEYS if key in values}), stubs)
    except CodecError as e:
        faults += e.faults
    if faults:
        raise BadConfig("; ".join(map(str, faults)))
    return config


def _stub(key: str, value: str) -> dict[bytes, tuple[str, ...]]:
    """Parses the setting of one stub domain. Raises CodecError."""
    try:
        domain = encode_name(_domain(key.removeprefix(_STUB)))
    except ValueError as e:
        raise CodecError(Fault(key, str(e))) from None
    return {domain: decode(Upstreams, value, root=key)}


def _config(data: _Data, stubs: Mapping[bytes, tuple[str, ...]]) -> Config:
    return Config(
        domain=data.domain,
        upstreams=data.upstreams,
        stubs=stubs,
        pods=data.pods,
        ttl_s=data.ttl,
        cache_size=data.cacheSize,
        cache_ttl_s=data.cacheTTL,
        negative_ttl_s=data.negativeTTL,
        hosts=data.hosts.forward,
        hosts_reverse=data.hosts.reverse,
        log=data.log == "true",
    )


def parse_upstreams(key: str, text: str) -> tuple[str, ...]:
    """Parses a list of upstreams, in the order in which they are asked; empty for `none`. Raises BadConfig."""
    try:
        return _upstreams(text)
    except ValueError as e:
        raise BadConfig(f"{key}: {e}") from None


def split_upstream(text: str) -> tuple[str, int]:
    """Splits an upstream returned by `parse_upstreams` into address and port."""
    address, _, port = text.rpartition(":")
    return address.strip("[]"), int(port)

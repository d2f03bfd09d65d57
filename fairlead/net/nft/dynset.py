"""Rules that write to a map, packed for the kernel (linux/netfilter/nf_tables.h): one such statement, and nothing else.

libnftables 1.0.6 reserves 16 bytes for the key of such a statement, however long the key is. Keys of IPv6 rules are
longer: the map's value then overwrites the end of the key, so that the entry is stored for a wrong client, or an
assertion ends the whole process. Later versions are right. Since users cannot always choose the version, all such rules
are packed here.
"""

from __future__ import annotations

import re
import struct

_FIELD = r"(?:meta l4proto|ip6? daddr|ip6? saddr|th dport)"
_STATEMENT = re.compile(
    rf"(?P<op>update|delete) @(?P<map>\w+) \{{ (?P<key>{_FIELD}(?: \. {_FIELD})*)"
    r"(?: timeout (?P<timeout>\d+)s)? : (?:meta mark|0x0) \}"
)
_FIRST_REGISTER, _REGISTERS, _REGISTER_BYTES = 8, 16, 4
_OPS = {"update": 1, "delete": 2}
_META_MARK, _META_L4PROTO = 3, 16
_NETWORK, _TRANSPORT = 1, 2
_PAYLOADS = {
    "ip saddr": (_NETWORK, 12, 4),
    "ip daddr": (_NETWORK, 16, 4),
    "ip6 saddr": (_NETWORK, 8, 16),
    "ip6 daddr": (_NETWORK, 24, 16),
    "th dport": (_TRANSPORT, 2, 2),
}
"""The place of each field: its header, its offset and its length in bytes."""
_NESTED = 0x8000


def pack_rule(rule: str) -> bytes:
    """Returns the value of NFTA_RULE_EXPRESSIONS. Raises ValueError for any other rule."""
    match = _STATEMENT.fullmatch(rule)
    if match is None:
        raise ValueError(f"cannot pack the rule {rule!r}")
    register, parts = _FIRST_REGISTER, list[bytes]()
    for name in match["key"].split(" . "):
        load, size = _load(name, register)
        parts.append(load)
        register += size
    if register >= _FIRST_REGISTER + _REGISTERS:
        raise ValueError(f"the key of {rule!r} is too long")
    parts.append(_meta(_META_MARK, register))
    # A deletion does not need the value, but the kernel requires one in every statement on a map.
    body = _attribute(1, match["map"].encode() + b"\0") + _number(3, _OPS[match["op"]])
    body += _number(4, _FIRST_REGISTER) + _number(5, register)
    if match["timeout"]:
        body += _attribute(6, struct.pack("!Q", int(match["timeout"]) * 1000))
    parts.append(_expression("dynset", body))
    return b"".join(parts)


def _load(field: str, register: int) -> tuple[bytes, int]:
    """Returns the expression that loads a field, and the number of registers it fills."""
    if field == "meta l4proto":
        return _meta(_META_L4PROTO, register), 1
    base, offset, size = _PAYLOADS[field]
    body = _number(1, register) + _number(2, base) + _number(3, offset) + _number(4, size)
    return _expression("payload", body), -(-size // _REGISTER_BYTES)


def _meta(key: int, register: int) -> bytes:
    return _expression("meta", _number(1, register) + _number(2, key))


def _expression(name: str, body: bytes) -> bytes:
    return _attribute(1 | _NESTED, _attribute(1, name.encode() + b"\0") + _attribute(2 | _NESTED, body))


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("!I", value))


def _attribute(kind: int, data: bytes) -> bytes:
    size = 4 + len(data)
    return struct.pack("=HH", size, kind) + data + b"\0" * (-size % 4)

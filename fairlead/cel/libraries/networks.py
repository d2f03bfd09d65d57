"""Upstream's functions of quantities, IP addresses and CIDR blocks."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, ClassVar

from fairlead.cel import types
from fairlead.cel.errors import EvaluationError
from fairlead.cel.functions import Overload, function, member
from fairlead.cel.types import Type
from fairlead.machinery.values import quantity
from fairlead.machinery.values.quoting import go_quote

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Quantities


class Quantity:
    """A resource quantity (`1Gi`)."""

    __slots__ = ("amount",)
    cel_type: ClassVar[Type] = types.opaque("kubernetes.Quantity")

    def __init__(self, amount: quantity.Quantity) -> None:
        self.amount = amount

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.amount.value == other.amount.value

    def __hash__(self) -> int:
        return hash(self.amount.value)

    def plus(self, other: Any, sign: int = 1) -> Quantity:
        more = other.amount.value if isinstance(other, Quantity) else other
        return Quantity(quantity.Quantity(self.amount.value + sign * more, self.amount.notation))

    def minus(self, other: Any) -> Quantity:
        return self.plus(other, -1)

    def compare(self, other: Quantity) -> int:
        one, two = self.amount.value, other.amount.value
        return (one > two) - (one < two)

    def sign(self) -> int:
        return (self.amount.value > 0) - (self.amount.value < 0)

    def is_integer(self) -> bool:
        return self.amount.value.denominator == 1 and abs(self.amount.value) < 1 << 63

    def as_integer(self) -> int:
        if not self.is_integer():
            raise EvaluationError("cannot convert value to integer")
        return self.amount.value.numerator


def _quantity(text: str) -> Quantity:
    try:
        return Quantity(quantity.parse(text))
    except ValueError as e:
        raise EvaluationError(str(e)) from None


def fits(make: Callable[[str], Any]) -> Callable[[str], bool]:
    """Returns the test of whether a text can be read."""

    def test(text: str) -> bool:
        try:
            make(text)
        except EvaluationError:
            return False
        return True

    return test


# Addresses and networks


class Ip:
    """An IP address."""

    __slots__ = ("address",)
    cel_type: ClassVar[Type] = types.opaque("net.IP")

    def __init__(self, address: Address) -> None:
        self.address = address

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ip) and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)

    def __str__(self) -> str:
        return str(self.address)

    def cel_size(self) -> int:
        return self.address.max_prefixlen // 8

    def is_link_local_multicast(self) -> bool:
        if self.address.version == 4:
            return self.address in ipaddress.ip_network("224.0.0.0/24")
        packed = self.address.packed
        return packed[0] == 0xFF and packed[1] & 0x0F == 0x02

    def is_global_unicast(self) -> bool:
        """Returns what Go calls global unicast: private addresses too."""
        one = self.address
        broadcast = one.version == 4 and int(one) == 0xFFFFFFFF
        return not (one.is_unspecified or one.is_loopback or one.is_multicast or one.is_link_local or broadcast)


class Cidr:
    """An address with the length of its prefix; the address may have bits behind the prefix."""

    __slots__ = ("address", "network")
    cel_type: ClassVar[Type] = types.opaque("net.CIDR")

    def __init__(self, address: Address, network: Network) -> None:
        self.address = address
        self.network = network

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cidr) and (self.address, self.network) == (other.address, other.network)

    def __hash__(self) -> int:
        return hash((self.address, self.network))

    def __str__(self) -> str:
        return f"{self.address}/{self.network.prefixlen}"

    def cel_size(self) -> int:
        return -(-self.network.prefixlen // 8)

    def contains_ip(self, other: Any) -> bool:
        found = other if isinstance(other, Ip) else _ip(other)
        return found.address.version == self.network.version and found.address in self.network

    def contains_cidr(self, other: Any) -> bool:
        found = other if isinstance(other, Cidr) else _cidr(other)
        inner: Any = found.network
        return bool(inner.version == self.network.version and inner.subnet_of(self.network))

    def masked(self) -> Cidr:
        return Cidr(self.network.network_address, self.network)


def _ip(text: str) -> Ip:
    shown = go_quote(text)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        why = f"ParseAddr({shown}): unable to parse IP"
        raise EvaluationError(f"IP Address {shown} parse error during conversion from string: {why}") from None
    if "%" in text:
        raise EvaluationError(f"IP address {shown} with zone value is not allowed")
    if address.version == 6 and address.ipv4_mapped is not None:
        raise EvaluationError(f"IPv4-mapped IPv6 address {shown} is not allowed")
    return Ip(address)


def _cidr(text: str) -> Cidr:
    failed = f"network address parse error during conversion from string: netip.ParsePrefix({go_quote(text)}): "
    head, slash, bits = text.rpartition("/")
    if not slash:
        raise EvaluationError(f"{failed}no '/'")
    try:
        if "%" in head or not bits.isascii() or not bits.isdigit() or (len(bits) > 1 and bits[0] == "0"):
            raise ValueError
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise EvaluationError(f"{failed}unable to parse IP") from None
    if interface.version == 6 and interface.ip.ipv4_mapped is not None:
        raise EvaluationError(f"IPv4-mapped IPv6 address {go_quote(text)} is not allowed")
    return Cidr(interface.ip, interface.network)


def _is_canonical(text: str) -> bool:
    return str(_ip(text)) == text


_QUANTITY, _IP, _CIDR = Quantity.cel_type.name, Ip.cel_type.name, Cidr.cel_type.name

LIBRARY: list[Overload] = [
    function("quantity", "string_to_quantity", f"string -> {_QUANTITY}", _quantity),
    function("isQuantity", "is_quantity_string", "string -> bool", fits(_quantity)),
    member("sign", "quantity_sign", f"{_QUANTITY} -> int", Quantity.sign),
    member(
        "isGreaterThan", "quantity_is_greater_than", f"{_QUANTITY}, {_QUANTITY} -> bool", lambda a, b: a.compare(b) > 0
    ),
    member("isLessThan", "quantity_is_less_than", f"{_QUANTITY}, {_QUANTITY} -> bool", lambda a, b: a.compare(b) < 0),
    member("compareTo", "quantity_compare_to", f"{_QUANTITY}, {_QUANTITY} -> int", Quantity.compare),
    member("asApproximateFloat", "quantity_get_float", f"{_QUANTITY} -> double", lambda one: float(one.amount.value)),
    member("asInteger", "quantity_get_int", f"{_QUANTITY} -> int", Quantity.as_integer),
    member("isInteger", "quantity_is_integer", f"{_QUANTITY} -> bool", Quantity.is_integer),
    member("add", "quantity_add", f"{_QUANTITY}, {_QUANTITY} -> {_QUANTITY}", Quantity.plus),
    member("add", "quantity_add_int", f"{_QUANTITY}, int -> {_QUANTITY}", Quantity.plus),
    member("sub", "quantity_sub", f"{_QUANTITY}, {_QUANTITY} -> {_QUANTITY}", Quantity.minus),
    member("sub", "quantity_sub_int", f"{_QUANTITY}, int -> {_QUANTITY}", Quantity.minus),
    function("ip", "string_to_ip", f"string -> {_IP}", _ip),
    function("isIP", "is_ip", "string -> bool", fits(_ip)),
    function("ip.isCanonical", "ip_is_canonical", "string -> bool", _is_canonical),
    function("string", "ip_to_string", f"{_IP} -> string", str),
    member("family", "ip_family", f"{_IP} -> int", lambda one: one.address.version),
    member("isUnspecified", "ip_is_unspecified", f"{_IP} -> bool", lambda one: one.address.is_unspecified),
    member("isLoopback", "ip_is_loopback", f"{_IP} -> bool", lambda one: one.address.is_loopback),
    member("isLinkLocalMulticast", "ip_is_link_local_multicast", f"{_IP} -> bool", Ip.is_link_local_multicast),
    member("isLinkLocalUnicast", "ip_is_link_local_unicast", f"{_IP} -> bool", lambda one: one.address.is_link_local),
    member("isGlobalUnicast", "ip_is_global_unicast", f"{_IP} -> bool", Ip.is_global_unicast),
    function("cidr", "string_to_cidr", f"string -> {_CIDR}", _cidr),
    function("isCIDR", "is_cidr", "string -> bool", fits(_cidr)),
    function("string", "cidr_to_string", f"{_CIDR} -> string", str),
    member("containsIP", "cidr_contains_ip_string", f"{_CIDR}, string -> bool", Cidr.contains_ip),
    member("containsIP", "cidr_contains_ip_ip", f"{_CIDR}, {_IP} -> bool", Cidr.contains_ip),
    member("containsCIDR", "cidr_contains_cidr_string", f"{_CIDR}, string -> bool", Cidr.contains_cidr),
    member("containsCIDR", "cidr_contains_cidr", f"{_CIDR}, {_CIDR} -> bool", Cidr.contains_cidr),
    member("ip", "cidr_ip", f"{_CIDR} -> {_IP}", lambda one: Ip(one.address)),
    member("prefixLength", "cidr_prefix_length", f"{_CIDR} -> int", lambda one: one.network.prefixlen),
    member("masked", "cidr_masked", f"{_CIDR} -> {_CIDR}", Cidr.masked),
]

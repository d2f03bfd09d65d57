"""Checks that several kinds share. Each yields upstream's errors for the path passed in."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from fairlead.api.meta.types import LabelSelector
from fairlead.base.addresses import unmapped
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.kinds.metadata import check_labels
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, forbidden, invalid, required

NOT_NEGATIVE = "must be greater than or equal to 0"
POSITIVE = "must be greater than 0"


def not_negative(value: int | None, path: str) -> Iterator[FieldError]:
    if value is not None and value < 0:
        yield invalid(path, value, NOT_NEGATIVE)


def not_found(path: str, name: str) -> FieldError:
    """Returns the error for a reference to an absent name: `Not found: "data"`."""
    return FieldError(path, "NotFound", name)


def too_many(count: int, most: int, path: str) -> Iterator[FieldError]:
    if count > most:
        yield FieldError(path, "TooMany", count, f"must have at most {most} items")


def port_number(port: int, path: str) -> Iterator[FieldError]:
    if not 1 <= port <= 65535:
        yield invalid(path, port, names.range_text(1, 65535))


def port_number_or_name(port: int | str, path: str) -> Iterator[FieldError]:
    if isinstance(port, int):
        yield from port_number(port, path)
    else:
        for text in names.port_name(port):
            yield invalid(path, port, text)


def ip_address(ip: str, path: str) -> Iterator[FieldError]:
    for text in names.ip(ip):
        yield invalid(path, ip, text)


def dns_name(host: str, path: str) -> Iterator[FieldError]:
    """Yields errors of a load balancer's host name."""
    for text in names.dns1123_subdomain(host):
        yield invalid(path, host, text)
    if not names.ip(host):
        yield invalid(path, host, "must be a DNS name, not an IP address")


_ODD_IPV4 = ("0.", "127.", "169.254.", "224.0.0.")
"""Prefixes of addresses that need a closer check."""


def ordinary_ip(ip: str, path: str) -> Iterator[FieldError]:
    """Yields errors if a valid address is unspecified, loopback, link-local or link-local multicast."""
    if ":" not in ip and not ip.startswith(_ODD_IPV4):
        return
    address = unmapped(ipaddress.ip_address(ip))
    if address.is_unspecified:
        yield invalid(path, ip, f"may not be unspecified ({ip})")
    if address.is_loopback:
        yield invalid(path, ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        yield invalid(path, ip, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if address.is_multicast and address in _link_local_multicast(address.version):
        yield invalid(path, ip, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def _link_local_multicast(version: int) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network("224.0.0.0/24" if version == 4 else "ff02::/16")


def label_selector(selector: LabelSelector, path: str) -> Iterator[FieldError]:
    yield from check_labels(selector.matchLabels, f"{path}.matchLabels")
    for i, need in enumerate(selector.matchExpressions):
        where = f"{path}.matchExpressions[{i}]"
        yield from requirement(need.operator, need.values, where)
        for text in names.qualified_name(need.key):
            yield invalid(f"{where}.key", need.key, text)
        for j, value in enumerate(need.values):
            for text in names.label_value(value):
                yield invalid(f"{where}.values[{j}]", value, text)


def requirement(operator: str, values: list[str], path: str, *, numeric: bool = False) -> Iterator[FieldError]:
    """Yields errors of the number of values for an operator. Only node selectors have the `numeric` operators `Gt`
    and `Lt`."""
    match operator:
        case "In" | "NotIn":
            if not values:
                yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        case "Exists" | "DoesNotExist":
            if values:
                text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                yield forbidden(f"{path}.values", text)
        case "Gt" | "Lt" if numeric:
            if len(values) != 1:
                yield required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
        case _:
            yield invalid(f"{path}.operator", operator, "not a valid selector operator")


def domain_prefixed_path(value: str, path: str) -> Iterator[FieldError]:
    """Yields errors of a name such as `acme.io/foo`."""
    domain, _, rest = value.partition("/")
    if not value:
        yield required(path)
    elif not domain or not rest:
        yield invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        yield from (invalid(path, domain, text) for text in names.dns1123_subdomain(domain))
        yield from (invalid(path, rest, text) for text in names.url_path(rest))


def relative_path(target: str, path: str) -> Iterator[FieldError]:
    """Yields errors of a path that is not relative or leaves its base directory."""
    if target.startswith("/"):
        yield invalid(path, target, "must be a relative path")
    yield from no_backsteps(target, path)


def no_backsteps(target: str, path: str) -> Iterator[FieldError]:
    if ".." in target.split("/"):
        yield invalid(path, target, "must not contain '..'")


def unchanged(old: object, new: object, path: str) -> Iterator[FieldError]:
    """Yields an error if the value changed; for values that are not one field (`Immutable` marks fields)."""
    if old != new:
        yield invalid(path, to_tree(new), "field is immutable")

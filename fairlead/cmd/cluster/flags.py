"""Reads the values of `fairlead up`'s flags. Each function raises UsageError with the flag and the right form."""

from __future__ import annotations

import argparse
import os
import re
from ipaddress import ip_address

from fairlead.base.addresses import unmapped
from fairlead.base.numbers import port_number
from fairlead.cmd.errors import UsageError

_TAKEN_INSIDE = {("tcp", 53), ("udp", 53), ("tcp", 6443)}


class VariableValue(str):
    """The value of an environment variable that is the default of a flag; errors name the variable."""

    __slots__ = ("variable",)
    variable: str


def from_variable(name: str) -> VariableValue | None:
    """Returns the value of the environment variable, or None if it is unset or empty."""
    text = os.environ.get(name)
    if not text:
        return None
    value = VariableValue(text)
    value.variable = name
    return value


def _source(text: str, flag: str) -> str:
    return f"${text.variable}" if isinstance(text, VariableValue) else flag


def add_kubeconfig_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-kubeconfig",
        action="store_false",
        dest="kubeconfig",
        help="do not add a context to the user's kubeconfig ($KUBECONFIG or ~/.kube/config)",
    )


def parse_api_port(text: str) -> int:
    number = port_number(text)
    if number is None:
        raise UsageError(f'invalid --api-port "{text}": expected a number from 1 to 65535')
    return number


def parse_port_range(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", text)
    low, high = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= low <= high <= 65535:
        raise UsageError(f'invalid port range "{text}": expected e.g. 30000-32767')
    return low, high


def parse_exposed(text: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Returns the TCP ports and the UDP ports of a list such as `5432,5353/udp`."""
    ports: dict[str, set[int]] = {"tcp": set(), "udp": set()}
    for part in () if text == "none" else text.split(","):
        number, _, protocol = part.strip().lower().partition("/")
        port = port_number(number) or 0
        if not port or (protocol or "tcp") not in ports:
            raise UsageError(f'invalid --expose-host "{text}": expected e.g. 5432 or 5432,6379,5353/udp, or none')
        if (protocol or "tcp", port) in _TAKEN_INSIDE:
            raise UsageError(f"--expose-host {part}: the cluster itself serves this port to Pods: choose another port")
        ports[protocol or "tcp"].add(port)
    return tuple(sorted(ports["tcp"])), tuple(sorted(ports["udp"]))


def parse_api_address(text: str) -> str:
    if text == "none":
        return ""
    try:
        address = unmapped(ip_address(text))
    except ValueError:
        raise UsageError(f'invalid --api-address "{text}": expected an IP address or none') from None
    if address.is_unspecified or address.is_loopback or address.is_multicast:
        raise UsageError(f"--api-address {text}: expected an address at which other machines reach this machine")
    return str(address)


def parse_lb_pool(text: str) -> str:
    if text == "default":
        return ""
    from fairlead.loadbalancer.pool import BadPool, parse_pool

    try:
        return str(parse_pool(text))
    except BadPool as e:
        raise UsageError(f"--lb-pool: {e}") from e


def parse_egress_refuse(text: str) -> str:
    if text == "none":
        return ""
    from fairlead.relay.egresspolicy import parse_refused, render_refused

    try:
        return render_refused(parse_refused(text))
    except ValueError as e:
        raise UsageError(f"invalid --egress-refuse {e}; expected e.g. 10.0.0.0/8,fd00::/8, or none") from None


def parse_registries(text: str) -> str:
    from fairlead.images.registry.settings import parse_allowed

    try:
        return parse_allowed(text)
    except ValueError as e:
        raise UsageError(f"invalid {_source(text, '--registries')} {e}") from None


def parse_upstream(text: str) -> str:
    from fairlead.dns.config import BadConfig, parse_upstreams

    try:
        return " ".join(parse_upstreams(_source(text, "--upstream"), text)) or "none"
    except BadConfig as e:
        raise UsageError(f"{e}; expected host, none, or addresses separated by commas") from e

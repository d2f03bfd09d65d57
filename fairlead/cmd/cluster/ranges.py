"""Ranges of Pods and Services in the syntax of the settings: one range, or an IPv4 and an IPv6 range."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_network
from typing import Literal

from fairlead.cmd.errors import UsageError

IpFamily = Literal["ipv4", "ipv6", "dual"]
VERSIONS: dict[IpFamily, tuple[int, ...]] = {"ipv4": (4,), "ipv6": (6,), "dual": (4, 6)}
_EXPECTED = "expected e.g. 10.50.0.0/16, fd00:10:50::/56, or for both families 10.50.0.0/16,fd00:10:50::/56"


def parse_cidrs(text: str, flag: str) -> str:
    """Returns the ranges in canonical form. Raises UsageError unless they are one range, or IPv4 and then IPv6."""
    try:
        networks = [ip_network(part.strip()) for part in text.split(",")]
    except ValueError as e:
        raise UsageError(f'invalid {flag} "{text}" ({e}): {_EXPECTED}') from e
    match [network.version for network in networks]:
        case [4] | [6] | [4, 6]:
            return ",".join(map(str, networks))
        case [6, 4]:
            raise UsageError(
                f'invalid {flag} "{text}": the IPv4 range must come first: write {networks[1]},{networks[0]}'
            )
        case _:
            raise UsageError(f'invalid {flag} "{text}": more than one range of a family: {_EXPECTED}')


def families_of(ranges: Collection[str]) -> IpFamily | None:
    """Returns the families of the ranges, or None if `ranges` is empty."""
    versions = tuple(sorted({version for text in ranges for version in by_version(text)}))
    return next((family for family, present in VERSIONS.items() if present == versions), None)


def by_version(ranges: str) -> dict[int, str]:
    """Returns the ranges of one setting by IP version."""
    return {6 if ":" in part else 4: part for part in ranges.split(",")}

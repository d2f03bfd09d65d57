"""Ranges of Pods and Services as the settings write them: one of a family, or one of each, IPv4 first."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_network
from typing import Literal

from fairlead.cmd.errors import UsageError

IpFamily = Literal["ipv4", "ipv6", "dual"]
VERSIONS: dict[IpFamily, tuple[int, ...]] = {"ipv4": (4,), "ipv6": (6,), "dual": (4, 6)}
_HOW_TO_WRITE_RANGES = "write it as 10.50.0.0/16, fd00:10:50::/56, or for both families 10.50.0.0/16,fd00:10:50::/56"


def parse_cidrs(text: str, flag: str) -> str:
    """A range of one family, or with a comma between an IPv4 and an IPv6 range."""
    try:
        found = [ip_network(part.strip()) for part in text.split(",")]
    except ValueError as e:
        raise UsageError(f'{flag}: "{text}" is no range of addresses ({e}); {_HOW_TO_WRITE_RANGES}') from e
    match [network.version for network in found]:
        case [4] | [6] | [4, 6]:
            return ",".join(map(str, found))
        case [6, 4]:
            raise UsageError(
                f'{flag}: "{text}" has the IPv6 range first, and IPv4 is the first family where there are both: '
                "turn them round"
            )
        case _:
            raise UsageError(f'{flag}: "{text}" is not one range of each family; {_HOW_TO_WRITE_RANGES}')


def families_of(ranges: Collection[str]) -> IpFamily | None:
    """Returns the families of the ranges; None if there are none."""
    versions = tuple(sorted({version for text in ranges for version in by_version(text)}))
    return next((family for family, found in VERSIONS.items() if found == versions), None)


def by_version(ranges: str) -> dict[int, str]:
    """Returns one range, or two with a comma between, by IP version."""
    return {6 if ":" in part else 4: part for part in ranges.split(",")}

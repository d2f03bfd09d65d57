"""The canonical form of an Endpoints object's subsets: ports that have the same addresses share a subset.

Upstream brings subsets into this form in every controller that reads or writes them (`RepackSubsets`). IP and pod
identify an address; if one is both ready and not ready for a port, it is not ready. Addresses are ordered by IP and pod
uid, ports and subsets by name and number, so that equal content gives equal objects. (Upstream orders by a hash.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fairlead.api.core.endpoints.kind import EndpointAddress, EndpointPort, EndpointSubset

CAPACITY = 1000
"""Greatest number of addresses in one Endpoints object; an address counts in every subset that has it."""
AddressKey = tuple[str, str]
"""IP and uid of the pod."""
PortKey = tuple[str, str, int, str]


def repack(subsets: Iterable[EndpointSubset]) -> list[EndpointSubset]:
    """Returns the same endpoints in canonical form."""
    addresses: dict[AddressKey, EndpointAddress] = {}
    ports: dict[PortKey, EndpointPort | None] = {}
    ready: dict[PortKey, dict[AddressKey, bool]] = {}
    for subset in subsets:
        given = [(a, True) for a in subset.addresses] + [(a, False) for a in subset.notReadyAddresses]
        for address, _ in given:
            addresses.setdefault(address_key(address), address)
        for port in subset.ports or (None,):
            key = _port_key(port)
            ports.setdefault(key, port)
            readiness = ready.setdefault(key, {})
            for address, good in given:
                at = address_key(address)
                readiness[at] = readiness.get(at, True) and good
    groups: dict[tuple[tuple[AddressKey, bool], ...], list[PortKey]] = {}
    for key in sorted(ready):
        groups.setdefault(tuple(sorted(ready[key].items())), []).append(key)
    return [
        EndpointSubset(
            addresses=[addresses[at] for at, good in members if good],
            notReadyAddresses=[addresses[at] for at, good in members if not good],
            ports=_present(ports[key] for key in keys),
        )
        for members, keys in groups.items()
        if members
    ]


def address_key(address: EndpointAddress) -> AddressKey:
    """Returns the identity of an address; the uid is empty for an address without a target."""
    return address.ip, address.targetRef.uid if address.targetRef else ""


def _port_key(port: EndpointPort | None) -> PortKey:
    """Returns the sort key of a port; the key of an absent port sorts first."""
    return (port.name, port.protocol, port.port, port.appProtocol or "") if port else ("", "", -1, "")


def _present(ports: Iterable[EndpointPort | None]) -> list[EndpointPort]:
    return [port for port in ports if port is not None]


def truncate(subsets: Sequence[EndpointSubset]) -> list[EndpointSubset]:
    """Returns subsets of at most `CAPACITY` addresses: not-ready ones are left out first, each subset in proportion."""
    cut: list[tuple[EndpointSubset, list[EndpointAddress], list[EndpointAddress]]]
    ready = sum(len(s.addresses) for s in subsets)
    not_ready = sum(len(s.notReadyAddresses) for s in subsets)
    if ready > CAPACITY:
        shares = _shares([len(s.addresses) for s in subsets], CAPACITY)
        cut = [(s, s.addresses[:n], []) for s, n in zip(subsets, shares, strict=True)]
    elif ready + not_ready > CAPACITY:
        shares = _shares([len(s.notReadyAddresses) for s in subsets], CAPACITY - ready)
        cut = [(s, s.addresses, s.notReadyAddresses[:n]) for s, n in zip(subsets, shares, strict=True)]
    else:
        return list(subsets)
    return [EndpointSubset(addresses=a, notReadyAddresses=n, ports=s.ports) for s, a, n in cut if a or n]


def _shares(sizes: Sequence[int], room: int) -> list[int]:
    """Returns the share of each size in the room, rounded up until the room is used up, as upstream rounds."""
    total, left, shares = sum(sizes), room, []
    for size in sizes:
        shares.append(min(-(-size * room // total), left))
        left -= min(shares[-1], size)
    return shares

"""Assigns endpoints to slices so that as few slices as possible are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointSlice
from fairlead.base.dataclass import dataclass

CAPACITY = 100


@dataclass(frozen=True, slots=True)
class Packed:
    """The endpoints of each slice after packing."""

    kept: tuple[tuple[EndpointSlice, tuple[Endpoint, ...]], ...]
    """The slices that stay, with their desired endpoints."""
    new: tuple[tuple[Endpoint, ...], ...]
    """The endpoints of each slice to create."""
    empty: tuple[EndpointSlice, ...]
    """The slices without any endpoints left."""


def pack(desired: Mapping[str, Endpoint], slices: Sequence[EndpointSlice]) -> Packed:
    """Returns the assignment. `desired` has endpoints by target uid; `slices` are those with the same ports.

    New endpoints go first into slices that must be written anyway, the fullest first. The rest goes, undivided, into
    the fullest other slice that has room for all of it, or else into a new slice. Spreading the rest over several
    unchanged slices would cost a write for each.
    """
    ordered = sorted(slices, key=lambda s: s.metadata.name)
    contents: list[list[Endpoint]] = []
    placed: set[str] = set()
    for s in ordered:
        uids = [uid for uid in dict.fromkeys(map(uid_of, s.endpoints)) if uid in desired and uid not in placed]
        placed.update(uids)
        contents.append([desired[uid] for uid in uids])
    rest = sorted((e for uid, e in desired.items() if uid not in placed), key=_order)
    touched = [content != s.endpoints for s, content in zip(ordered, contents, strict=True)]
    for content in sorted(
        (content for content, is_touched in zip(contents, touched, strict=True) if is_touched), key=_fullness
    ):
        rest = _fill(content, rest)
    untouched = [content for content, is_touched in zip(contents, touched, strict=True) if not is_touched]
    new: list[tuple[Endpoint, ...]] = []
    while rest:
        fitting = [content for content in untouched if len(content) + len(rest) <= CAPACITY]
        if fitting:
            rest = _fill(min(fitting, key=_fullness), rest)
        else:
            new.append(tuple(rest[:CAPACITY]))
            rest = rest[CAPACITY:]
    pairs = list(zip(ordered, contents, strict=True))
    return Packed(
        kept=tuple((s, tuple(content)) for s, content in pairs if content),
        new=tuple(new),
        empty=tuple(s for s, content in pairs if not content),
    )


def uid_of(endpoint: Endpoint) -> str:
    """Returns the identity of an endpoint: the uid of its target, or the address if the target is missing (only in
    hand-written endpoints)."""
    return endpoint.targetRef.uid if endpoint.targetRef else ",".join(endpoint.addresses)


def _fill(content: list[Endpoint], rest: list[Endpoint]) -> list[Endpoint]:
    room = max(0, CAPACITY - len(content))
    content += rest[:room]
    return rest[room:]


def _fullness(content: Sequence[Endpoint]) -> int:
    return -len(content)


def _order(endpoint: Endpoint) -> tuple[list[str], str]:
    return endpoint.addresses, uid_of(endpoint)

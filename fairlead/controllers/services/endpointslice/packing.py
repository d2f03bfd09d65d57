"""Puts endpoints into slices so that as few slices as possible are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointSlice

CAPACITY = 100


@dataclass(frozen=True, slots=True)
class Packed:
    kept: tuple[tuple[EndpointSlice, tuple[Endpoint, ...]], ...]
    """Slices that go on, with what they are to hold."""
    new: tuple[tuple[Endpoint, ...], ...]
    """What found no room, in slices to be made."""
    empty: tuple[EndpointSlice, ...]
    """Slices that nothing is left in."""


def pack(desired: Mapping[str, Endpoint], slices: Sequence[EndpointSlice]) -> Packed:
    """`desired` by target uid; `slices` are those with the same ports.

    What has no place yet goes first into slices that must be written anyway, the fullest first; then, whole, into
    the fullest of the others that takes all of it; else into a new one. Spreading it over several slices that
    were left alone so far would cost a write for each.
    """
    ordered = sorted(slices, key=lambda s: s.metadata.name)
    contents: list[list[Endpoint]] = []
    placed: set[str] = set()
    for s in ordered:
        uids = [uid for uid in dict.fromkeys(map(uid_of, s.endpoints)) if uid in desired and uid not in placed]
        placed.update(uids)
        contents.append([desired[uid] for uid in uids])
    rest = sorted((e for uid, e in desired.items() if uid not in placed), key=_order)
    touched = [held != s.endpoints for s, held in zip(ordered, contents, strict=True)]
    for held in sorted((held for held, is_touched in zip(contents, touched, strict=True) if is_touched), key=_fullness):
        rest = _fill(held, rest)
    untouched = [held for held, is_touched in zip(contents, touched, strict=True) if not is_touched]
    new: list[tuple[Endpoint, ...]] = []
    while rest:
        fitting = [held for held in untouched if len(held) + len(rest) <= CAPACITY]
        if fitting:
            rest = _fill(min(fitting, key=_fullness), rest)
        else:
            new.append(tuple(rest[:CAPACITY]))
            rest = rest[CAPACITY:]
    pairs = list(zip(ordered, contents, strict=True))
    return Packed(
        kept=tuple((s, tuple(held)) for s, held in pairs if held),
        new=tuple(new),
        empty=tuple(s for s, held in pairs if not held),
    )


def uid_of(endpoint: Endpoint) -> str:
    """What tells endpoints apart; those without a target (nobody but people writes such) go by address."""
    return endpoint.targetRef.uid if endpoint.targetRef else ",".join(endpoint.addresses)


def _fill(held: list[Endpoint], rest: list[Endpoint]) -> list[Endpoint]:
    room = max(0, CAPACITY - len(held))
    held += rest[:room]
    return rest[room:]


def _fullness(held: Sequence[Endpoint]) -> int:
    return -len(held)


def _order(endpoint: Endpoint) -> tuple[list[str], str]:
    return endpoint.addresses, uid_of(endpoint)

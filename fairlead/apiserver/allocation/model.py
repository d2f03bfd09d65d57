"""The interface between a write and the numbers that it reserves in shared pools: cluster IPs, node ports.

What must stay true: `reserve` takes numbers before the object that uses them is written; the write then confirms or
releases them. An implementation for several API servers may call other servers in `reserve`, `confirm` and `release`;
the present one holds its pools in memory (docs/decisions/0007). Allocation is not an admission plug-in: it comes after
every step that may refuse the object, and ends with the write (docs/decisions/0017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from fairlead.machinery.kinds.kind import Kind


class Reservation(Protocol):
    """The numbers that one write reserved."""

    @property
    def empty(self) -> bool:
        """Returns whether the write reserved nothing."""
        ...

    async def confirm(self) -> None:
        """Marks the write as done: the numbers now belong to the stored object."""
        ...

    async def release(self) -> None:
        """Releases the numbers that were not confirmed."""
        ...


class Allocation(Protocol):
    """Reserves numbers for objects of one kind."""

    @property
    def kind(self) -> Kind[Any]: ...

    def complete(self, old: Any, new: Any) -> None:
        """Fills in, before the checks, the fields that depend on the cluster; `old` is None for a create. Raises
        StatusError."""
        ...

    async def reserve(self, old: Any, new: Any) -> Reservation:
        """Reserves the numbers that `new` requests beyond those of `old`, and fills in those that `new` leaves
        open. Raises StatusError; nothing stays reserved then."""
        ...


class Allocations:
    """The allocations by kind; most kinds do not need one."""

    def __init__(self, allocations: Sequence[Allocation]) -> None:
        self._by_kind = {allocation.kind: allocation for allocation in allocations}

    def of(self, kind: Kind[Any]) -> Allocation | None:
        return self._by_kind.get(kind)

"""The seam between a write and the numbers that it takes out of shared pools: cluster IPs, node ports.

What must stay true: `hold` takes numbers before the object that uses them is written; they are kept if it was
written and released if it was not. An implementation for several API servers may ask others in `hold`, `keep` and
`release`; the one here keeps its pools in memory (docs/decisions/0007). Allocation is not an admission plug-in:
it comes after all that may refuse the object, and ends with the write (docs/decisions/0017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from fairlead.machinery.kind import Kind


class Reservation(Protocol):
    """The numbers that one write took."""

    @property
    def empty(self) -> bool:
        """Returns whether nothing was taken."""
        ...

    async def keep(self) -> None:
        """The write is done: from here on the numbers belong to the stored object."""
        ...

    async def release(self) -> None:
        """Gives back what was not kept."""
        ...


class Allocation(Protocol):
    """The numbers that objects of one kind hold."""

    @property
    def kind(self) -> Kind[Any]: ...

    def complete(self, old: Any, new: Any) -> None:
        """Fills in, before the checks, what depends on the cluster; `old` is None for a create. Raises StatusError."""
        ...

    async def hold(self, old: Any, new: Any) -> Reservation:
        """Takes what `new` asks for and `old` has not, and fills in what `new` leaves open. Raises StatusError, with
        nothing taken."""
        ...


class Allocations:
    """The allocations by their kinds; most kinds have none."""

    def __init__(self, allocations: Sequence[Allocation]) -> None:
        self._by_kind = {allocation.kind: allocation for allocation in allocations}

    def of(self, kind: Kind[Any]) -> Allocation | None:
        return self._by_kind.get(kind)

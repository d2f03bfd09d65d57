"""Carries out the possible parts of a change that the kernel refused as a whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

from fairlead.net.errors import KernelError

T = TypeVar("T")

MOST = 16
"""Maximum of refused single items. After more, the items are not the cause, and each try may cost a program's run."""


class Salvaged(NamedTuple):
    refused: KernelError | None = None
    """Why the last one of the omitted items was refused."""
    given_up: bool = False
    """Not all items were tried."""


async def salvage(items: Sequence[T], attempt: Callable[[Sequence[T]], Awaitable[object]]) -> Salvaged:
    """Halves refused sequences until only the items are omitted that are refused even alone.

    Keeps the order of the items. Gives up after `MOST` refusals of single items."""
    last: KernelError | None = None
    refused = 0
    ahead = [items] if items else []
    while ahead:
        some = ahead.pop()
        try:
            await attempt(some)
        except KernelError as error:
            if len(some) > 1:
                half = len(some) // 2
                ahead += [some[half:], some[:half]]
                continue
            last, refused = error, refused + 1
            if refused == MOST:
                return Salvaged(last, given_up=bool(ahead))
    return Salvaged(last)

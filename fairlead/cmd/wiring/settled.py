"""Frees memory of a component once, after its start."""

from __future__ import annotations

import asyncio

from fairlead.net import linux

_AFTER_S = 2.5


def trim_when_settled() -> None:
    """Schedules the release of memory that only the start needed, about 1 MB. Call it in a running event loop."""
    asyncio.get_running_loop().call_later(_AFTER_S, linux.trim_heap)

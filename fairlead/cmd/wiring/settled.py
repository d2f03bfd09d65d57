"""What a component does once, when its start is over."""

from __future__ import annotations

import asyncio

from fairlead.net import linux

_AFTER_S = 2.5


def trim_when_settled() -> None:
    """Gives back what only the start needed, about 1 MB. Call it in the component's event loop."""
    asyncio.get_running_loop().call_later(_AFTER_S, linux.trim_heap)

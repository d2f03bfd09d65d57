"""Bulk work without the garbage collector, which would scan all new objects again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Pauses the garbage collector, for work that creates many objects and no cycles. Other tasks of the process
    may run meanwhile, and may do the same."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()

"""The cluster that tests of names share, and cleanup after its users."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import pytest

from tests.dns.live import names, outside

__all__ = ["names", "outside"]


@pytest.fixture(autouse=True, scope="module")
def _nothing_left_to_others() -> Iterator[None]:
    """Collects the leftovers of aiohttp's execs, so that no later module gets the warnings about them."""
    yield
    with warnings.catch_warnings(action="ignore"):
        gc.collect()

"""The cluster that tests of names share, and order behind those who used it."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import pytest

from tests.dns.live import names, outside

__all__ = ["names", "outside"]


@pytest.fixture(autouse=True, scope="module")
def _nothing_left_to_others() -> Iterator[None]:
    """What aiohttp left of the module's execs is not found, and complained of, in a later module."""
    yield
    with warnings.catch_warnings(action="ignore"):
        gc.collect()

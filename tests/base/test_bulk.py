"""Bulk work without the garbage collector."""

from __future__ import annotations

import gc

import pytest

from fairlead.base.bulk import uncollected


def _failing() -> None:
    with uncollected():
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled(), "the outer one ends it"
        raise LookupError


def test_the_garbage_collector_is_off_within_the_block_and_on_after_any_exit() -> None:
    assert gc.isenabled()
    with pytest.raises(LookupError):
        _failing()
    assert gc.isenabled()

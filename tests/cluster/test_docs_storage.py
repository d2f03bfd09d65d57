"""Runs every command of docs/storage.md in order."""

from __future__ import annotations

import pytest

from tests.cluster.guide import typed
from tests.kubectl.conftest import USERS

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


@pytest.mark.parametrize("who", USERS[-1:])
def test_every_snippet_works(who: str) -> None:
    printed = typed("storage.md", who)
    assert "standard" in printed
    assert "data-db-0" in printed
    assert "/volumes/pvc-" in printed
    assert "Bound" in printed
    assert printed.count("UTC") == 2 + 3, "the starts of db-0 after its deletion, and after that of the cluster"

"""Runs every command of docs/security.md in order."""

from __future__ import annotations

import pytest

from tests.cluster.guide import typed
from tests.kubectl.conftest import USERS

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


@pytest.mark.parametrize("who", USERS[-1:])
def test_every_snippet_works(who: str) -> None:
    printed = typed("security.md", who)
    assert "kubernetes-admin" in printed
    assert printed.splitlines().count("yes") == 2
    assert "[get list watch]" in printed
    assert printed.endswith("refused\n")

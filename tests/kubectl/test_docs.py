"""Runs every command of docs/getting-started.md in order."""

from __future__ import annotations

import pytest

from tests.cluster.guide import typed
from tests.kubectl.conftest import USERS

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


@pytest.mark.parametrize("who", USERS)
def test_every_snippet_of_the_guide_works(who: str) -> None:
    printed = typed("getting-started.md", who)
    assert "Pod webui-" in printed
    assert "host://" in printed
    assert "clusterip-service" in printed.partition("is down")[2]

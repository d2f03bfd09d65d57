"""Every command of docs/loadbalancer.md, typed in its order."""

from __future__ import annotations

import pytest

from tests.cluster.guide import typed
from tests.kubectl.conftest import USERS

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


@pytest.mark.parametrize("who", USERS)
def test_every_snippet_works(who: str) -> None:
    printed = typed("loadbalancer.md", who)
    assert "Pod shop-" in printed
    assert "172.30.0.200" in printed

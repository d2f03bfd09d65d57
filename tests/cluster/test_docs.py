"""Runs every command of docs/dual-stack.md in order."""

from __future__ import annotations

import shutil

import pytest

from tests.cluster.guide import typed
from tests.kubectl.conftest import USERS

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


@pytest.mark.parametrize("who", USERS[-1:])
@pytest.mark.skipif(not shutil.which("curl"), reason="no curl on this host")
def test_every_snippet_works(who: str) -> None:
    printed = typed("dual-stack.md", who)
    assert "172.30.0.12,fd00:172:30::c" in printed
    assert '"fd00:10:96::' in printed
    assert printed.count("Pod shop-") >= 2

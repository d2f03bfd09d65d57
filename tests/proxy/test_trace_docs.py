"""Runs every command of docs/trace.md in order."""

from __future__ import annotations

import pytest

from tests.cluster.guide import typed
from tests.kubectl.conftest import USERS

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


@pytest.mark.parametrize("who", USERS[-1:])
def test_every_snippet_works(who: str) -> None:
    printed = typed("trace.md", who)
    assert "goes to one of 2 endpoints, drawn at random" in printed
    assert "the rules in the kernels agree with the plan" in printed
    assert "  as predicted" in printed
    assert "masqueraded by node1" in printed
    assert "goes to one of 3 endpoints, drawn at random" in printed
    assert "no difference between planned and in the kernel" in printed
    assert "endpoints: + shop-" in printed

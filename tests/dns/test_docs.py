"""Runs every command of docs/dns.md in order."""

from __future__ import annotations

import shutil

import pytest

from tests.cluster.guide import typed
from tests.dns.live import FAMILIES, MARKS

pytestmark = MARKS


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("who", FAMILIES)
def test_every_snippet_about_names_works(who: str) -> None:
    printed = typed("dns.md", who)
    assert "web.default.svc.cluster.local" in printed
    assert "192.0.2.9" in printed
    assert "InvalidConfiguration" in printed
    assert "coredns_dns_requests_total{" in printed
    assert printed.rstrip().endswith("web.default.svc.cluster.local")

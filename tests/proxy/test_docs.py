"""Runs every command of docs/proxy.md in order."""

from __future__ import annotations

from shutil import which

import pytest

from tests.cluster.guide import typed
from tests.kubectl.conftest import USERS

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


@pytest.mark.skipif(which("iptables", path="/usr/sbin:/sbin") is None, reason="iptables is not installed")
@pytest.mark.parametrize("who", USERS[:1])
def test_every_snippet_works(who: str) -> None:
    printed = typed("proxy.md", who)
    assert '"nodeEligible": true' in printed
    assert 'kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"}' in printed
    assert '"serviceProxyHealthy": true' in printed
    assert '-m comment --comment "default/shop cluster IP" -m tcp --dport 80 -j KUBE-SVC-' in printed
    assert "NOTE: this must be the last rule in this chain" in printed
    assert "ctstate INVALID" in printed

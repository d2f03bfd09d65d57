"""Clients that connect while endpoints come and go (the long form is `python -m bench.churn`)."""

from __future__ import annotations

import pytest

from bench import churn
from tests.net.sandbox import in_sandbox
from tests.proxy.backends import IPTABLES, LEGACY, Kind


@pytest.mark.kernel
@pytest.mark.slow
def test_no_client_reaches_a_wrong_service_or_is_refused_while_endpoints_churn() -> None:
    result = in_sandbox(lambda: churn.run(services=1000, changes=500, seconds=2.5))
    assert result.changes == 500
    assert result.connections > 500
    assert (result.wrong, result.refused, result.disagreements) == ([], [], [])


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.parametrize("kind", [IPTABLES, LEGACY], ids=str)
def test_no_client_reaches_a_wrong_service_while_iptables_chains_change(kind: Kind) -> None:
    result = in_sandbox(lambda: churn.run(services=200, changes=60, seconds=2.0, backend=kind.name))
    assert result.changes == 60
    assert result.connections > 100
    assert (result.wrong, result.refused, result.disagreements) == ([], [], [])

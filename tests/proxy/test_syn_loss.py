"""No SYN is lost while Services change (the long form is `python -m bench.synloss`)."""

from __future__ import annotations

import pytest

from bench import synloss
from fairlead.net.family import IPV4, IPV6, Family
from tests.net.sandbox import in_sandbox
from tests.proxy.backends import IPTABLES, NFTABLES, Kind, needing


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.parametrize("family", [IPV4, IPV6], ids=lambda family: family.name)
@pytest.mark.parametrize("kind", [needing(kind) for kind in (NFTABLES, IPTABLES)])
def test_while_services_change_every_connection_is_made_at_the_first_try(kind: Kind, family: Family) -> None:
    """Servers and client are separate processes, so that only the rules can lose packets."""
    result = in_sandbox(lambda: synloss.run(backend=kind.name, family=family, connections=1500, changes=150))
    assert result.changes == 150
    assert result.connections >= 1500
    assert (result.sent_again, result.failed, result.overflows) == (0, [], 0)

"""The first node's chains, over the fake."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fairlead.api.core.service.kind import Service
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.net.family import IPV4, IPV6
from fairlead.net.iptables.fake import FakeIptables
from fairlead.net.iptables.model import Restore
from fairlead.proxy.iptables.backend import IptablesBackend
from fairlead.proxy.planning.backend import Source
from fairlead.proxy.planning.proxierconfig import ProxierConfig
from tests.proxy.backends import bring, pods, proxier_of
from tests.proxy.test_paths import view

SVC, EXT = "KUBE-SVC-LOLE4ISW44XBNF3G", "KUBE-EXT-LOLE4ISW44XBNF3G"
LAST = "kubernetes service nodeports; NOTE: this must be the last rule in this chain"


class Node1:
    """The backend of the first node, over the fake."""

    def __init__(self, tables: FakeIptables | None = None, proxier: ProxierConfig | None = None) -> None:
        self.tables = tables or FakeIptables()
        proxier = proxier or proxier_of(IPV6 if self.tables.family == "ip6" else IPV4)
        self.node = view("node1", proxier.family)
        self.backend = IptablesBackend(self.tables, proxier, pods=() if proxier.detector.pods else pods(proxier.family))
        asyncio.run(self.backend.resync())

    def put(self, wanted: Service | None, slices: Sequence[EndpointSlice] = (), name: str = "web") -> list[Restore]:
        """Plans and applies the Service; returns the restores."""
        before = len(self.tables.log)
        bring(self.backend, {f"default/{name}": Source(wanted, slices)}, self.node)
        return self.tables.log[before:]

    def shown(self, table: str, *beginnings: str) -> str:
        """Returns the chains whose names begin so, as `iptables-save` shows them."""
        chains = sorted(self.tables.tables[table].items())
        return "".join(f"-A {name} {rule}\n" for name, rules in chains if name.startswith(beginnings) for rule in rules)

    def state(self) -> dict[str, dict[str, frozenset[str]]]:
        """Returns the rules without the order in shared chains, except for their last lines."""
        return {
            table: {name: _state(rules) for name, rules in chains.items()}
            for table, chains in self.tables.tables.items()
        }


def _state(rules: Sequence[str]) -> frozenset[str]:
    assert len(set(rules)) == len(rules)
    return frozenset(rules) | {f"last: {rules[-1]}" if rules and LAST in rules[-1] else ""}

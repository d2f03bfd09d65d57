"""The rules for ports of a node, and which flows are forgotten. For packets: `tests/node/pods/test_hostports.py`."""

from __future__ import annotations

import pytest

from fairlead.net.conntrack.model import Flow
from fairlead.net.hostports.plan import PortMapping, replacement, stale_flows
from fairlead.net.hostports.run import HostPortRules
from fairlead.net.nft.run import NftKernel
from tests.net.sandbox import in_sandbox

WEB = PortMapping("tcp", "", 18099, "10.244.1.2", 8080)
DNS = PortMapping("udp", "172.30.0.11", 53, "10.244.1.3", 5353)
SIX = PortMapping("sctp", "", 7, "fd00::2", 7)


def test_the_table_of_a_family_is_exchanged_as_a_whole() -> None:
    text = replacement("ip", [DNS, WEB]).render()
    assert text == replacement("ip", [WEB, DNS]).render()
    assert text.startswith("table ip fairlead_hostports\ndelete table ip fairlead_hostports\n")
    assert "tcp . 18099 : 10.244.1.2 . 8080" in text
    assert "172.30.0.11 . udp . 53 : 10.244.1.3 . 5353" in text
    assert "10.244.1.2 . 10.244.1.2" in text


def test_udp_flows_to_a_removed_pod_or_past_a_new_one_are_deleted() -> None:
    gone = Flow("172.30.0.11", 53, "10.244.1.3", 5353)
    here = Flow("172.30.0.11", 53, "172.30.0.11", 53)
    other = Flow("10.96.0.10", 53, "10.244.1.9", 53)
    flows = [gone, here, other]
    assert stale_flows(flows, before=[DNS], after=[]) == [gone]
    assert stale_flows(flows, before=[], after=[DNS]) == [here]
    assert stale_flows(flows, before=[DNS, WEB], after=[DNS]) == []


@pytest.mark.kernel
def test_the_kernel_takes_the_rules_and_forgets_them() -> None:
    def body() -> list[list[bool]]:
        rules, kernel = HostPortRules(), NftKernel()

        def tables() -> list[bool]:
            return [kernel.read("fairlead_hostports", family) is not None for family in ("ip", "ip6")]

        found = []
        for mappings in ([WEB, DNS, SIX], [WEB], []):
            rules.apply(mappings)
            found.append(tables())
        rules.apply([WEB])
        HostPortRules().start([])  # another process finds what this one left
        found.append(tables())
        HostPortRules().start([SIX])
        found.append(tables())
        return found

    assert in_sandbox(body) == [[True, True], [True, False], [False, False], [False, False], [False, True]]

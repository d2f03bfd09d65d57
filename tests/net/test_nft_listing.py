"""A table's listing is parsed completely, and printed and written rules get one form."""

# ruff: noqa: E101 -- libnftables prints tabs, and spaces after them

from __future__ import annotations

from collections.abc import Callable

import pytest

from fairlead.net.nft.listing import canonical, parse_listing, seconds
from fairlead.net.nft.model import Torn, parse_table, until_whole

LISTING = """\
table ip fairlead {
	comment "elements 1"
	counter ct_state_invalid {
		packets 0 bytes 0
	}

	map services {
		type inet_proto . ipv4_addr . inet_service : mark
		elements = { 6 . 10.96.0.10 . 80 : 0x02000002,
			     udp . 10.96.0.10 . 53 : 0x00000001 }
	}

	map affinity {
		type inet_proto . ipv4_addr . inet_service . ipv4_addr : mark
		size 262144
		flags dynamic,timeout
		timeout 3h
		elements = { 6 . 10.96.0.10 . 80 . 10.244.1.2 timeout 10m expires 9m59s300ms : 0x9463ecd6 }
	}

	set balanced {
		type ipv4_addr
		elements = { 172.30.0.200 }
	}

	set unserved {
		type inet_proto . ipv4_addr . inet_service
	}

	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr 10.96.0.0/12 ct mark set ct mark | 0x00004000
	}

	chain refuse {
		reject with tcp reset
		reject
	}
}
"""


REORDERED = LISTING.replace("udp . 10.96.0.10 . 53 : 0x00000001", "6 . 10.96.0.10 . 80 : 0x02000002")
"""A listing of which the kernel repeated an element and left out another, because it reordered the set meanwhile."""


@pytest.mark.parametrize("parse", [parse_table, parse_listing])
def test_a_listing_that_repeats_an_element_is_read_again(parse: Callable[[str], object]) -> None:
    texts = [REORDERED, REORDERED, LISTING]
    assert until_whole(lambda: parse(texts.pop(0))) == parse(LISTING)
    with pytest.raises(Torn, match="listed twice"):
        until_whole(lambda: parse(REORDERED))


def test_elements_chains_hooks_and_expiry_are_read() -> None:
    found = parse_listing(LISTING)
    assert found.elements == {
        "services": {"tcp . 10.96.0.10 . 80": "0x02000002", "udp . 10.96.0.10 . 53": "0x00000001"},
        "affinity": {"tcp . 10.96.0.10 . 80 . 10.244.1.2": "0x9463ecd6"},
        "balanced": {"172.30.0.200": ""},
        "unserved": {},
    }
    assert found.expires == {("affinity", "tcp . 10.96.0.10 . 80 . 10.244.1.2"): 599}
    assert found.dynamic == {"affinity"}
    assert found.chains["prerouting"].hook == "type nat hook prerouting priority dstnat"
    assert found.chains["prerouting"].rules == ("ip daddr 10.96.0.0/12 ct mark set ct mark | 0x4000",)
    assert found.chains["refuse"].rules == (
        "meta l4proto tcp reject with tcp reset",
        "reject with icmp port-unreachable",
    )


def test_a_copy_can_be_changed_where_rules_change_it() -> None:
    found = parse_listing(LISTING)
    found.copy().elements["affinity"].clear()
    assert found.elements["affinity"]


@pytest.mark.parametrize(
    ("printed", "written"),
    [
        ("meta l4proto { 6, 17, 132 } drop", "meta l4proto { tcp, udp, sctp } drop"),
        ("meta l4proto 58 drop", "meta l4proto ipv6-icmp drop"),
        ("reject", "reject with icmpv6 port-unreachable"),
        (
            "update @affinity { th dport timeout 10m : meta mark }",
            "update @affinity { th dport timeout 600s : meta mark }",
        ),
        ("delete @affinity { th dport : meta mark }", "delete @affinity { th dport : 0x0 }"),
        ("delete @affinity { th dport : 0x00000000 }", "delete @affinity { th dport : 0x0 }"),
        ('ct state invalid counter name "lost" drop', "ct state invalid counter name lost drop"),
    ],
)
def test_printed_and_written_rules_have_one_form(printed: str, written: str) -> None:
    assert canonical(printed, "ip6") == canonical(written, "ip6") == written


def test_times_are_read_in_seconds() -> None:
    assert [seconds(text) for text in ("10m", "1h30m", "3h", "2d1s", "300ms")] == [600, 5400, 10800, 172801, 0]

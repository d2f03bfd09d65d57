"""Rules that write to maps, packed by hand: the kernel has what the text says, whatever libnftables makes of it."""

from __future__ import annotations

import pytest

from fairlead.net.nft.dynset import pack_rule
from fairlead.net.nft.model import Chain, Missing, NamedSet, Table, Transaction
from fairlead.net.nft.run import NftKernel
from tests.net.sandbox import as_any_user, in_sandbox

KEYS = {
    "ip": "inet_proto . ipv4_addr . inet_service . ipv4_addr",
    "ip6": "inet_proto . ipv6_addr . inet_service . ipv6_addr",
}


def rules(family: str) -> tuple[str, ...]:
    client = f"meta l4proto . {family} daddr . th dport . {family} saddr"
    return f"delete @seen {{ {client} : 0x0 }}", f"update @seen {{ {client} timeout 90s : meta mark }}"


def table(family: str, *chains: Chain) -> Transaction:
    seen = NamedSet("seen", KEYS[family], "mark", ("flags dynamic,timeout", "timeout 3h", "size 100"))
    return Transaction("t", Table("t", (seen,), (), family=family), chains, family=family)


def listed(kernel: NftKernel, family: str, chain: str) -> list[str]:
    return [line.strip() for line in kernel.run_text(f"list chain {family} t {chain}").splitlines()[2:-2]]


def _as_libnftables_has_it() -> tuple[list[str], list[str]]:
    kernel = NftKernel()
    packed, plain = (Chain(name, rules("ip"), packed=name == "packed") for name in ("packed", "plain"))
    for part in table("ip", packed, plain).split():
        kernel.execute(part)
    return listed(kernel, "ip", "packed"), listed(kernel, "ip", "plain")


def _twice() -> tuple[list[str], list[str], int]:
    kernel = NftKernel()
    before = kernel.generation()
    parts = list(table("ip6", Chain("packed", rules("ip6"), packed=True)).split())
    for part in parts:
        kernel.execute(part)
    first = listed(kernel, "ip6", "packed")
    kernel.execute(parts[-1])
    with pytest.raises(Missing, match="the rules of absent"):
        kernel.execute(Transaction("t", family="ip6", rewrite=(Chain("absent", rules("ip6"), packed=True),)))
    return first, listed(kernel, "ip6", "packed"), kernel.generation() - before - len(parts)


@pytest.mark.kernel
@as_any_user
def test_a_packed_rule_is_the_one_that_libnftables_makes_of_a_key_that_it_understands(ordinary: bool) -> None:
    packed, plain = in_sandbox(_as_libnftables_has_it, ordinary=ordinary)
    assert len(plain) == 2
    assert [line.partition(" : ")[0] for line in packed] == [line.partition(" : ")[0] for line in plain]
    assert packed[1] == plain[1]


@pytest.mark.kernel
@as_any_user
def test_a_key_longer_than_16_bytes_is_whole_and_a_second_time_changes_nothing(ordinary: bool) -> None:
    first, second, extra = in_sandbox(_twice, ordinary=ordinary)
    assert first == second
    assert "update @seen { meta l4proto . ip6 daddr . th dport . ip6 saddr timeout 1m30s : meta mark }" in first
    assert extra == 1, "each part is one transaction of the kernel's"


@pytest.mark.parametrize(
    "rule",
    [
        "drop",
        "update @seen { ip6 saddr : meta mark } drop",
        "update @seen { ct mark : meta mark }",
        "add @seen { ip6 saddr : meta mark }",
        f"update @seen {{ {' . '.join(['ip6 saddr'] * 4)} : meta mark }}",
    ],
)
def test_what_cannot_be_packed_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match=r"update|drop|add"):
        pack_rule(rule)

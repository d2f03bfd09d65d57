"""One contract for the kernel's nf_tables and the fake: the same changes, the same refusals, the same state read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fairlead.net.nft.fake import FakeNft
from fairlead.net.nft.model import (
    Busy,
    Chain,
    ElementChange,
    Exists,
    Missing,
    NamedSet,
    Nft,
    Snapshot,
    Table,
    TooLarge,
    Transaction,
)
from fairlead.net.nft.run import NftKernel
from tests.net.sandbox import in_sandbox

KEY = "inet_proto . ipv4_addr . inet_service"
TABLE = Table(
    "t",
    (
        NamedSet("services", KEY, "verdict"),
        NamedSet("endpoints", f"{KEY} . mark", "ipv4_addr . inet_service"),
        NamedSet("affinity", f"{KEY} . ipv4_addr", "mark", ("flags dynamic,timeout", "timeout 3h", "size 100")),
        NamedSet("hairpin", "ipv4_addr . ipv4_addr"),
    ),
    (
        Chain("send", ("meta l4proto tcp dnat ip to meta l4proto . ip daddr . th dport . meta mark map @endpoints",)),
        Chain(
            "prerouting",
            ("meta l4proto . ip daddr . th dport vmap @services",),
            "type nat hook prerouting priority dstnat",
        ),
    ),
    "version 7",
)
SLOTS = Chain("slots_2", ("meta mark set numgen random mod 2", "goto send"))

Body = Callable[[Nft], None]


@pytest.fixture(params=["fake", pytest.param("kernel", marks=pytest.mark.kernel)])
def run(request: pytest.FixtureRequest) -> Callable[[Body], None]:
    """Runs a test's body on the fake, or in a child on the kernel."""

    def on_fake(body: Body) -> None:
        body(FakeNft())

    def on_kernel(body: Body) -> None:
        in_sandbox(lambda: body(NftKernel()), ordinary=True)

    return on_fake if request.param == "fake" else on_kernel


def make(nft: Nft, *changes: ElementChange, chains: tuple[Chain, ...] = (SLOTS,)) -> None:
    nft.execute(Transaction("t", TABLE, chains, changes))


def tx(*changes: ElementChange, chains: tuple[Chain, ...] = (), delete_chains: tuple[str, ...] = ()) -> Transaction:
    return Transaction("t", None, chains, changes, delete_chains=delete_chains)


def state(nft: Nft) -> Snapshot:
    found = nft.read("t")
    assert found is not None
    return found


def service(port: int = 80, *, old: str | None = None, new: str | None = "goto slots_2") -> ElementChange:
    return ElementChange("services", f"tcp . 10.96.0.10 . {port}", old, new)


def endpoint(slot: int = 0, *, old: str | None = None, new: str | None = "10.244.1.2 . 8080") -> ElementChange:
    return ElementChange("endpoints", f"udp . 10.96.0.10 . 53 . 0x{slot:08x}", old, new)


HAIRPIN = ElementChange("hairpin", "10.244.1.2 . 10.244.1.2", None, "")


def test_what_is_written_reads_back_equal(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        assert nft.read("t") is None
        make(nft, service(), endpoint(), endpoint(1), HAIRPIN)
        found = state(nft)
        assert found.version == "version 7"
        assert found.chains == {"send", "prerouting", "slots_2"}
        assert found.elements == {
            "services": {"tcp . 10.96.0.10 . 80": "goto slots_2"},
            "endpoints": {
                "udp . 10.96.0.10 . 53 . 0x00000000": "10.244.1.2 . 8080",
                "udp . 10.96.0.10 . 53 . 0x00000001": "10.244.1.2 . 8080",
            },
            "hairpin": {"10.244.1.2 . 10.244.1.2": ""},
        }

    run(body)


def test_an_element_is_replaced_in_one_transaction(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        make(nft, endpoint(), HAIRPIN)
        nft.execute(
            tx(endpoint(old="10.244.1.2 . 8080", new="10.244.2.9 . 80"), ElementChange(*astuple_removed(HAIRPIN)))
        )
        assert state(nft).elements == {"endpoints": {"udp . 10.96.0.10 . 53 . 0x00000000": "10.244.2.9 . 80"}}

    run(body)


def astuple_removed(change: ElementChange) -> tuple[str, str, str, None]:
    return change.set_name, change.key, "", None


def test_a_known_key_with_another_value_is_refused_and_with_the_same_value_is_not(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        make(nft, endpoint())
        nft.execute(tx(endpoint()))
        with pytest.raises(Exists):
            nft.execute(tx(endpoint(new="10.244.9.9 . 80")))

    run(body)


@pytest.mark.parametrize(
    "transaction",
    [
        tx(service(new="goto nowhere")),
        tx(endpoint(old="10.244.1.2 . 8080", new=None)),
        tx(ElementChange("no_such_map", "10.0.0.1", None, "")),
        tx(chains=(Chain("x", ("goto nowhere",)),)),
        tx(chains=(Chain("x", ("ip daddr . ip saddr @nothing accept",)),)),
        Transaction("other", None, (), (service(),)),
    ],
    ids=["verdict", "delete", "map", "rule-target", "rule-set", "table"],
)
def test_a_dangling_reference_is_refused(run: Callable[[Body], None], transaction: Transaction) -> None:
    def body(nft: Nft) -> None:
        make(nft)
        with pytest.raises(Missing):
            nft.execute(transaction)

    run(body)


def test_a_refused_transaction_leaves_nothing_behind(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        make(nft, endpoint())
        before = state(nft)
        with pytest.raises(Missing):
            nft.execute(tx(endpoint(5), service(new="goto nowhere"), chains=(Chain("slots_9", ("goto send",)),)))
        assert state(nft) == before

    run(body)


def test_replacing_the_table_drops_what_it_held(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        make(nft, endpoint(), service())
        make(nft, endpoint(3), chains=())
        found = state(nft)
        assert found.chains == {"send", "prerouting"}
        assert list(found.elements) == ["endpoints"]

    run(body)


def test_a_chain_and_the_verdict_that_leads_to_it_come_in_one_transaction(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        make(nft, service())
        more = Chain("slots_3", ("meta mark set numgen random mod 3", "goto send"))
        nft.execute(tx(service(old="goto slots_2", new="goto slots_3"), chains=(more,)))
        assert state(nft).elements["services"] == {"tcp . 10.96.0.10 . 80": "goto slots_3"}

    run(body)


def many(count: int) -> tuple[ElementChange, ...]:
    return tuple(
        ElementChange("endpoints", f"tcp . 10.97.{i // 250}.{i % 250} . 80 . 0x{i:08x}", None, "10.244.1.2 . 8080")
        for i in range(count)
    )


def test_a_transaction_of_the_limit_passes_and_one_far_above_is_too_large(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        make(nft)
        (part,) = tx(*many(4000)).split()
        nft.execute(part)
        nft.execute(tx(*(ElementChange(c.set_name, c.key, c.new, None) for c in many(4000))))
        with pytest.raises(TooLarge):
            nft.execute(tx(*many(6000)))
        for part in tx(*many(6000)).split():
            nft.execute(part)
        assert len(state(nft).elements["endpoints"]) == 6000

    run(body)


RANGES = NamedSet("allowed", f"{KEY} . ipv4_addr", options=("flags interval",), role="ranges")
WITH_RANGES = Table("t", (*TABLE.sets, RANGES), TABLE.chains, "version 8", "ip", ("seen",))


def allowed(block: str, *, old: str | None = None, new: str | None = "") -> ElementChange:
    return ElementChange("allowed", f"tcp . 10.96.0.10 . 80 . {block}", old, new, "ranges")


def test_a_range_is_replaced_by_one_that_overlaps_it(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        nft.execute(Transaction("t", WITH_RANGES, (), (allowed("192.168.4.0/24"), allowed("192.168.9.1"))))
        nft.execute(tx(allowed("192.168.0.0/16"), allowed("192.168.4.0/24", old="", new=None)))
        assert state(nft).elements["allowed"].keys() == {
            "tcp . 10.96.0.10 . 80 . 192.168.0.0/16",
            "tcp . 10.96.0.10 . 80 . 192.168.9.1",
        }

    run(body)


def test_every_transaction_counts_and_a_refused_one_does_not(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        make(nft)
        before = nft.generation()
        nft.execute(tx(endpoint()))
        nft.execute(tx(service()))
        with pytest.raises(Missing):
            nft.execute(tx(service(81, new="goto nowhere")))
        assert nft.generation() == before + 2

    run(body)


def test_rules_are_distinguished_by_their_effect(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        make(nft)
        before = dict(nft.rules("t"))
        assert before == dict(state(nft).rules)
        assert {name: text.split()[0] for name, text in before.items()} == {
            "send": "1",
            "prerouting": "1",
            "slots_2": "2",
        }
        nft.execute(tx(endpoint(), service()))
        assert dict(nft.rules("t")) == before, "elements are no part of them"
        other = Chain("slots_2", ("meta mark set numgen random mod 3", "goto send"))
        nft.execute(Transaction("t", rewrite=(other,)))
        after = nft.rules("t")
        assert {name for name in after if after[name] != before[name]} == {"slots_2"}
        with pytest.raises(Missing):
            nft.execute(Transaction("t", rewrite=(Chain("nobody", ("goto send",)),)))

    run(body)


def test_base_chains_are_reported(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        make(nft)
        assert state(nft).hooks == {"prerouting"}

    run(body)


def test_a_table_is_deleted_with_all_that_is_in_it_and_no_other(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        make(nft, endpoint())
        nft.execute(Transaction("t", TABLE6, family="ip6"))
        before = nft.generation()
        assert nft.delete("t")
        assert nft.generation() != before
        assert nft.read("t") is None
        assert nft.read("t", "ip6") is not None
        assert not nft.delete("t")

    run(body)


def test_own_transactions_are_distinguished_from_foreign_ones(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        make(nft)
        before = nft.foreign()
        nft.execute(tx(endpoint()))
        nft.execute(Transaction("t", TABLE6, family="ip6"))
        with pytest.raises(Missing):
            nft.execute(tx(service(new="goto nowhere")))
        nft.delete("t", "ip6")
        assert nft.foreign() == before
        if isinstance(nft, NftKernel):
            nft.run_text("add table ip other")
        else:
            assert isinstance(nft, FakeNft)
            nft.foreign_transactions += 1
        assert nft.foreign() == before + 1

    run(body)


def test_chains_are_removed_that_only_each_other_lead_to(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        make(nft)
        nft.execute(tx(chains=(Chain("inner", ("drop",)), Chain("outer", ("goto inner",)))))
        before = state(nft).chains
        with pytest.raises(Busy):
            nft.execute(tx(delete_chains=("inner",)))
        assert state(nft).chains == before
        nft.execute(tx(delete_chains=("inner", "outer")))
        assert state(nft).chains == before - {"inner", "outer"}
        with pytest.raises(Missing):
            nft.execute(tx(delete_chains=("inner",)))

    run(body)


def test_a_chain_stays_as_long_as_an_element_or_another_chains_rule_leads_to_it(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        make(nft, service())
        nft.execute(tx(chains=(Chain("outer", ("goto slots_2",)), Chain("loose", ("drop",)))))
        before = state(nft)
        for delete_chains in (("slots_2",), ("slots_2", "outer"), ("loose", "slots_2"), ("send",)):
            with pytest.raises(Busy):
                nft.execute(tx(delete_chains=delete_chains))
            assert state(nft) == before, "and nothing of the transaction is done"
        nft.execute(tx(service(old="goto slots_2", new=None), delete_chains=("outer", "slots_2")))
        assert state(nft).chains == {"send", "prerouting", "loose"}

    run(body)


def test_counters_start_at_nothing(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        nft.execute(Transaction("t", WITH_RANGES))
        assert nft.counters("t") == {"seen": 0}

    run(body)


KEY6 = "inet_proto . ipv6_addr . inet_service"
TABLE6 = Table(
    "t", (NamedSet("endpoints", f"{KEY6} . mark", "ipv6_addr . inet_service"),), (), "version 6", family="ip6"
)


def test_tables_of_two_families_may_have_one_name(run: Callable[[Body], None]) -> None:
    def body(nft: Nft) -> None:
        make(nft, endpoint())
        change = ElementChange("endpoints", "tcp . fd00:10:96::a . 80 . 0x00000000", None, "fd00:10:244:1::2 . 8080")
        nft.execute(Transaction("t", TABLE6, family="ip6"))
        nft.execute(Transaction("t", changes=(change,), family="ip6"))
        six = nft.read("t", "ip6")
        assert six is not None
        assert six.elements == {"endpoints": {change.key: change.new}}
        assert list(state(nft).elements["endpoints"]) == [endpoint().key]

    run(body)


@pytest.mark.parametrize("changes", [(endpoint(), HAIRPIN), (service(new="goto slots_2"), endpoint(3))])
def test_elements_arrive_alike_packed_and_as_text(
    run: Callable[[Body], None], changes: tuple[ElementChange, ...]
) -> None:
    """Sends verdicts as text and all else packed: both must mean the same."""

    def body(nft: Nft) -> None:
        make(nft)
        nft.execute(tx(*changes))
        by_themselves = state(nft).elements
        make(nft, *changes)
        assert state(nft).elements == by_themselves

    run(body)

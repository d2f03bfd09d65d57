"""One contract for the iptables programs, of both kinds, and the fake: the same edits, refusals, and state read.

The bodies run without a kernel, and in a child as an ordinary user who is root in namespaces of his own."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from shutil import which

import pytest

from fairlead.net import linux
from fairlead.net.iptables.fake import FakeIptables
from fairlead.net.iptables.model import (
    NFT_LIMIT,
    Block,
    Chain,
    Edit,
    Iptables,
    IptablesError,
    Restore,
    TooLarge,
    change,
    make,
    pack,
    weight,
)
from fairlead.net.iptables.run import IptablesKernel, TransactionCount
from tests.net.sandbox import as_any_user, in_sandbox

Body = Callable[[Iptables], None]
Run = Callable[[Body], None]

_PATH = "/usr/sbin:/sbin"


def _kernel(kind: str) -> object:
    missing = which(f"iptables-{kind}-restore", path=_PATH) is None
    marks = [pytest.mark.kernel, *([pytest.mark.skip("iptables is not installed")] if missing else [])]
    return pytest.param(kind, marks=marks)


@pytest.fixture(params=["fake", _kernel("nft"), _kernel("legacy")])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test's body on the fake, or in a child on the kernel, for both families."""
    kind = request.param

    def on_fake(body: Body) -> None:
        for family in ("ip", "ip6"):
            body(FakeIptables(family))

    def in_child(body: Body) -> None:
        for family in ("ip", "ip6"):
            body(programs(family, kind))

    return on_fake if kind == "fake" else lambda body: in_sandbox(partial(in_child, body), ordinary=True)


def programs(family: str = "ip", kind: str = "nft") -> IptablesKernel:
    """Returns programs in a network namespace made after the user ids are set: otherwise legacy's list of tables is
    unreadable."""
    _, tables = linux.new_netns(lambda: IptablesKernel(family, kind=kind))
    assert tables is not None
    return tables


def restore(tables: Iptables, *edits: Edit, table: str = "filter") -> None:
    asyncio.run(tables.restore([Restore(table, edits)]))


def rules(tables: Iptables, chain: str, table: str = "filter") -> tuple[str, ...] | None:
    found = asyncio.run(tables.save())
    return found[table].chains.get(chain) if table in found else None


def made(name: str, *texts: str) -> tuple[Edit, ...]:
    return (Edit("make", name), *(Edit("append", name, text) for text in texts))


A, B, C = (f'-m comment --comment "{word} it is" -j RETURN' for word in "abc")


def test_a_written_table_reads_back_equal_and_an_unknown_table_is_absent(run: Run) -> None:
    def body(tables: Iptables) -> None:
        assert rules(tables, "INPUT") is None
        restore(tables, *made("X", A, B), Edit("append", "INPUT", "-j X"))
        assert (rules(tables, "X"), rules(tables, "INPUT"), rules(tables, "Y")) == ((A, B), ("-j X",), None)
        assert rules(tables, "OUTPUT", "nat") is None

    run(body)


def test_rules_are_inserted_deleted_and_replaced_by_position_and_text(run: Run) -> None:
    def body(tables: Iptables) -> None:
        restore(tables, *made("X", A))
        restore(tables, Edit("insert", "X", B), Edit("insert", "X", C, 3))
        assert rules(tables, "X") == (B, A, C)
        restore(tables, Edit("replace", "X", C, 1), Edit("cut", "X", at=2))
        assert rules(tables, "X") == (C, C)
        restore(tables, Edit("delete", "X", C), Edit("append", "X", A))
        assert rules(tables, "X") == (C, A)

    run(body)


def test_making_a_chain_again_empties_it_and_leaves_the_others_and_what_leads_to_it(run: Run) -> None:
    def body(tables: Iptables) -> None:
        restore(tables, *made("X", A), *made("Y", B), Edit("append", "FORWARD", "-j X"))
        restore(tables, *made("X", C))
        assert [rules(tables, name) for name in ("X", "Y", "FORWARD")] == [(C,), (B,), ("-j X",)]

    run(body)


def test_a_chain_goes_with_the_last_line_that_leads_to_it(run: Run) -> None:
    def body(tables: Iptables) -> None:
        restore(tables, *made("X", A), *made("Y", "-j X"))
        restore(tables, Edit("make", "Y"), Edit("make", "X"), Edit("remove", "X"))
        assert (rules(tables, "X"), rules(tables, "Y")) == (None, ())

    run(body)


REFUSED = {
    "a line to nowhere": (Edit("append", "X", "-j NOWHERE"),),
    "a line of no chain": (Edit("append", "NOWHERE", A),),
    "a line that is not there": (Edit("delete", "X", C),),
    "a place that is not there": (Edit("replace", "X", C, 9),),
    "a chain that something leads to": (Edit("remove", "X"),),
    "a chain of rules": (Edit("remove", "Y"),),
    "no such chain": (Edit("remove", "NOWHERE"),),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_and_nothing_of_it_done(run: Run, name: str) -> None:
    def body(tables: Iptables) -> None:
        restore(tables, *made("X"), *made("Y", "-j X", A))
        with pytest.raises(IptablesError):
            restore(tables, Edit("append", "Y", B), *REFUSED[name], Edit("append", "Y", C))
        assert rules(tables, "Y") == ("-j X", A)

    run(body)


def test_of_several_restores_those_before_the_refused_one_are_done(run: Run) -> None:
    def body(tables: Iptables) -> None:
        wanted = [Restore("filter", made("X", A)), Restore("nat", (Edit("append", "NOWHERE", B),))]
        with pytest.raises(IptablesError, match="restore"):
            asyncio.run(tables.restore(wanted))
        assert rules(tables, "X") == (A,)

    run(body)


def long(*numbers: int) -> Chain:
    return Chain("X", (("-j RETURN",), tuple(f"-p tcp -m tcp --dport {n} -j RETURN" for n in numbers)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (range(1, 81), range(1, 82)),
        (range(1, 81), range(81)),
        (range(1, 81), range(3, 79)),
        (range(1, 81), [n + 500 * (n % 7 == 0) for n in range(1, 90)]),
        (range(1, 20), range(1, 90)),
        (range(1, 90), range(1, 20)),
    ],
)
def test_a_long_chain_is_changed_line_by_line_into_what_is_wanted(run: Run, old: list[int], new: list[int]) -> None:
    def body(tables: Iptables) -> None:
        restore(tables, *(edit for block in make(long(*old)) for edit in block))
        restore(tables, *(edit for block in change(long(*old), long(*new)) for edit in block))
        assert rules(tables, "X") == long(*new).rules

    run(body)


def test_what_an_unchanged_chain_has_seen_is_remembered(run: Run) -> None:
    def body(tables: Iptables) -> None:
        restore(tables, *made("X", A, B))
        assert tables.packets("filter", "X") == {A: 0, B: 0}
        with pytest.raises(IptablesError):
            tables.packets("filter", "NOWHERE")

    run(body)


@pytest.mark.kernel
def test_own_transactions_do_not_count_as_foreign_and_others_do() -> None:
    def body() -> list[int]:
        transactions = TransactionCount()
        four, six = (IptablesKernel(family, kind="nft", transactions=transactions) for family in ("ip", "ip6"))
        seen = []
        for _ in range(2):
            asyncio.run(four.restore([Restore("filter", made("X", A)), Restore("nat", made("Y", B))]))
            restore(six, *made("Z", A))
            with pytest.raises(IptablesError):
                restore(six, Edit("append", "NOWHERE", A))
            seen += [six.foreign() or 0, four.foreign() or 0]
        subprocess.run(["/usr/sbin/iptables-nft", "-A", "X", "-j", "RETURN"], check=True)
        return [*seen, six.foreign() or 0]

    if which("iptables-nft-restore", path=_PATH) is None:
        pytest.skip("iptables is not installed")
    counts = in_sandbox(body, ordinary=True)
    assert counts == [counts[0]] * 4 + [counts[0] + 1]


def _heaviest() -> list[str]:
    """Returns the longest lines that the proxy writes, of every kind and family."""
    about = '-m comment --comment "a-namespace-of-63/a-service:port -> somewhere"'
    ends = {"ip": "10.96.0.10/32", "ip6": "fd00:10:96:1:2:3:4:5/128"}
    masks = {"ip": "255.255.255.255", "ip6": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}
    found = []
    for family, protocol in product(("ip", "ip6"), ("tcp", "udp", "sctp")):
        end, recent = ends[family], f"--name KUBE-SEP-AAAAAAAAAAAAAAAA --mask {masks[family]} --rsource"
        where = "[fd00::1]:80" if family == "ip6" else "10.1.2.3:80"
        found += [
            f"{family} ! -s {end} -d {end} -p {protocol} {about} -m {protocol} --dport 80 -j T",
            f"{family} -d {end} -p {protocol} {about} -m {protocol} --dport 80 -j T",
            f"{family} -p {protocol} {about} -m recent --set {recent} -m {protocol} -j DNAT --to-destination {where}",
            f"{family} {about} -m recent --rcheck --seconds 60 --reap {recent} -j T",
            f"{family} {about} -m statistic --mode random --probability 0.50000000000 -j T",
            f"{family} -s {end} {about} -j T",
            f"{family} {about} -m addrtype --src-type LOCAL -j T",
            f"{family} -j T",
        ]
    return found


def _filled() -> list[str]:
    """Returns the edits that should fit into one transaction and do not."""
    wrong = []
    tables = {family: programs(family) for family in ("ip", "ip6")}
    for line in _heaviest():
        family, _, rule = line.partition(" ")
        edits: list[Block] = [(Edit("make", "T"),), (Edit("make", "X"),)]
        count = (NFT_LIMIT - 200) // weight(Edit("append", "X", rule))
        edits += [(Edit("append", "X", rule),)] * count
        (one,) = pack("nat", edits, NFT_LIMIT)
        # A transaction of deletions must fit too.
        gone = Restore("nat", (Edit("cut", "X", rule),) * count)
        try:
            asyncio.run(tables[family].restore([one]))
            asyncio.run(tables[family].restore([gone]))
        except TooLarge:
            wrong.append(f"{count} times {line}")
    return wrong


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.skipif(which("iptables-nft-restore", path=_PATH) is None, reason="iptables is not installed")
def test_a_transaction_that_weighs_as_much_as_may_be_is_taken_by_the_kernel() -> None:
    assert in_sandbox(_filled, ordinary=True) == []


def _too_large() -> list[int | None]:
    tables = programs()
    seen = [tables.limit]
    edits = made("X", *[A] * 3000)
    with pytest.raises(TooLarge):
        restore(tables, *edits)
    seen.append(tables.limit)
    asyncio.run(tables.restore(list(pack("filter", [(edit,) for edit in edits], tables.limit))))
    found = rules(tables, "X")
    assert found is not None
    return [*seen, len(found)]


@pytest.mark.kernel
@pytest.mark.skipif(which("iptables-nft-restore", path=_PATH) is None, reason="iptables is not installed")
def test_too_large_a_batch_is_recognized_and_smaller_ones_are_sent_afterwards() -> None:
    assert in_sandbox(_too_large, ordinary=True) == [NFT_LIMIT, NFT_LIMIT // 2, 3000]


@pytest.mark.kernel
@as_any_user
def test_the_lock_of_legacy_programs_leaves_nothing_on_the_machine(ordinary: bool) -> None:
    if which("iptables-legacy-restore", path=_PATH) is None:
        pytest.skip("iptables is not installed")

    def body() -> bool:
        before = os.path.exists("/run/xtables.lock")
        tables = programs(kind="legacy")
        restore(tables, *made("X", A))
        assert rules(tables, "X") == (A,)
        tables.close()
        return os.path.exists("/run/xtables.lock") == before

    assert in_sandbox(body, ordinary=ordinary)


def _waited() -> tuple[str, ...] | None:
    def both() -> tuple[IptablesKernel, socket.socket]:
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        lock.bind("\0fairlead/iptables")
        return IptablesKernel("ip", kind="nft"), lock

    _, made_there = linux.new_netns(both)
    assert made_there is not None
    tables, lock = made_there
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(restore, tables, *made("X", A))
        with pytest.raises(TimeoutError):
            done.result(0.1)
        lock.close()
        done.result(5)
    return rules(tables, "X")


@pytest.mark.kernel
@pytest.mark.skipif(which("iptables-nft-restore", path=_PATH) is None, reason="iptables is not installed")
def test_what_another_process_left_running_is_waited_for() -> None:
    """Another process's program holds the name: it goes on after its starter was killed, and would change later
    reads."""
    assert in_sandbox(_waited, ordinary=True) == (A,)

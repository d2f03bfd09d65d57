"""Promises of the etcd engine alone: no acknowledged write is lost and no change missed if members stop and start."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.apiserver.background.compaction import Compactor
from fairlead.store.etcd.address import AddressError, Member, parse
from fairlead.store.etcd.members import Certificates, Target
from fairlead.store.etcd.store import EtcdStore, after_repetition
from fairlead.store.etcd.watch import prefix_end
from fairlead.store.model import Compare, Delete, Full, Put, Record, StoreError, TxnResult, Unavailable
from fairlead.store.writes import create
from tests.store.etcd import EtcdCluster, etcd_cluster, leader_of, open_etcd
from tests.store.pki import make_pki
from tests.store.seen import Seen

WRITERS = 8


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    with etcd_cluster(tmp_path_factory.mktemp("etcd"), 3) as cluster:
        yield cluster


class Writing:
    """Writers that note each acknowledged write and go on after an error."""

    def __init__(self, store: EtcdStore) -> None:
        self._store = store
        self.acknowledged: dict[str, int] = {}
        self.unknown: set[str] = set()

    async def write(self, writer: int) -> None:
        """Runs until cancelled."""
        n = 0
        while True:
            n += 1
            key = f"/w{writer}/{n}"
            try:
                self.acknowledged[key] = await create(self._store, key, b"x" * 200)
            except StoreError:
                self.unknown.add(key)

    async def progressed(self, count: int) -> None:
        goal = len(self.acknowledged) + count
        async with asyncio.timeout(120):
            while len(self.acknowledged) < goal:  # noqa: ASYNC110 -- the writers report by counting
                await asyncio.sleep(0.01)


@pytest.mark.etcd
@pytest.mark.slow
def test_kill_9_of_the_leader_under_writes_loses_no_acknowledged_write_and_no_event(cluster: EtcdCluster) -> None:
    async def main() -> None:
        async with open_etcd(cluster, fresh=True) as store:
            seen = Seen()
            await store.watch("/w", (await store.list("/")).revision, seen)
            writing = Writing(store)
            tasks = [asyncio.ensure_future(writing.write(i)) for i in range(WRITERS)]
            for _ in range(3):
                await writing.progressed(200)
                leader = leader_of(cluster)
                leader.kill()
                await writing.progressed(200)
                leader.start(cluster.initial)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            page = await store.list("/w")
            found = {r.key: r.revision for r in page.records}
            for key, revision in writing.acknowledged.items():
                assert found[key] == revision
            # A cancelled write may still be carried out after the listing.
            changes = [c for c in await seen.reached(max(found.values())) if c.revision <= page.revision]
            assert {c.key: c.revision for c in changes} == found
            assert len(changes) == len(found)

    asyncio.run(main())


@pytest.mark.etcd
@pytest.mark.slow
def test_a_store_without_a_member_is_unavailable_and_comes_back(cluster: EtcdCluster) -> None:
    async def main() -> None:
        targets = [Target(m.endpoint) for m in cluster.members]
        store = await EtcdStore.open(targets, timeout_s=30)
        hasty = EtcdStore(targets, None, timeout_s=1)
        try:
            for member in cluster.members:
                member.kill()
            with pytest.raises(Unavailable):
                await hasty.get("/a")
            cluster.start()
            assert await store.get("/nothing") is None
        finally:
            await store.close()
            await hasty._members.close()

    asyncio.run(main())


@pytest.mark.slow
def test_opening_fails_in_one_line_if_nothing_answers() -> None:
    async def main() -> None:
        with pytest.raises(Unavailable, match=r"etcd at 127\.0\.0\.1:1: "):
            await EtcdStore.open([Target("127.0.0.1:1")], timeout_s=0.5)

    asyncio.run(main())


@pytest.mark.etcd
@pytest.mark.slow
def test_client_certificates_are_shown_and_required(tmp_path: Path) -> None:
    pki = make_pki(tmp_path)
    with etcd_cluster(tmp_path, 1, tls=pki.server_flags) as cluster:
        target = [Target(cluster.members[0].endpoint)]

        async def main() -> None:
            store = await EtcdStore.open(target, Certificates(pki.ca, pki.client, pki.client_key), timeout_s=30)
            await create(store, "/a", b"1")
            await store.close()
            with pytest.raises(Unavailable):
                await EtcdStore.open(target, Certificates(pki.ca), timeout_s=0.5)
            with pytest.raises(Unavailable):
                await EtcdStore.open(target, timeout_s=0.5)

        asyncio.run(main())


@pytest.mark.etcd
@pytest.mark.slow
def test_a_server_with_another_authority_or_another_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    pki, other = make_pki(tmp_path), make_pki(tmp_path / "other")
    with etcd_cluster(tmp_path, 1, tls=pki.server_flags) as cluster:
        endpoint = cluster.members[0].endpoint

        async def main() -> None:
            own, foreign = (Certificates(ca, pki.client, pki.client_key) for ca in (pki.ca, other.ca))
            await (await EtcdStore.open([Target(endpoint)], own, timeout_s=30)).close()
            for target, certificates in ((Target(endpoint), foreign), (Target(endpoint, "etcd.example"), own)):
                with pytest.raises(Unavailable):
                    await EtcdStore.open([target], certificates, timeout_s=0.5)

        asyncio.run(main())


async def fill(store: EtcdStore) -> None:
    for i in range(100):
        await create(store, f"/full/{i:02}", b"x" * 10_000)


@pytest.mark.etcd
@pytest.mark.slow
def test_a_write_to_a_full_etcd_says_so_and_reads_go_on(tmp_path: Path) -> None:
    with etcd_cluster(tmp_path, 1, flags=["--quota-backend-bytes", "100000"]) as cluster:

        async def main() -> None:
            async with open_etcd(cluster) as store:
                with pytest.raises(Full, match=r"etcd is full .*: compact and defragment it, then disarm"):
                    await fill(store)
                assert (await store.list("/full")).records

        asyncio.run(main())


@pytest.mark.slow
def test_grpc_is_imported_for_an_etcd_store_only(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "import fairlead.cmd.wiring.controlplane\n"
        "from fairlead.cmd.cluster.config import ClusterConfig\n"
        "from fairlead.cmd.cluster.paths import Paths\n"
        "from fairlead.cmd.wiring.openstore import open_store\n"
        "async def main():\n"
        "    await (await open_store(ClusterConfig('x'), Paths(Path(sys.argv[1])))).close()\n"
        "asyncio.run(main())\n"
        "print(*sorted({'grpc', 'aetcd', 'google.protobuf'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == ""


@pytest.mark.etcd
@pytest.mark.slow
def test_an_etcd_is_compacted_by_age(cluster: EtcdCluster) -> None:
    async def main() -> None:
        store = await EtcdStore.open([Target(m.endpoint) for m in cluster.members], timeout_s=30)
        try:
            first = (await store.list("/")).revision
            compacting = asyncio.create_task(Compactor(store, interval_s=0.1).run())
            for i in range(3):
                await store.txn([], [Put("/compacted", str(i).encode())])
            async with asyncio.timeout(30):
                seen = Seen()
                while seen.lost is None:
                    seen = Seen()
                    watch = await store.watch("/", first, seen)
                    await asyncio.sleep(0.1)
                    watch.cancel()
            compacting.cancel()
        finally:
            await store.close()

    asyncio.run(main())


MINE = Record("/a", b"mine", 9)
OTHER = Record("/a", b"other", 9)
FIRST_TRY_LOST = TxnResult(False, 12, [MINE])


def test_a_repeated_write_that_finds_its_own_value_took_place_the_first_time() -> None:
    assert after_repetition([Compare("/a", 5)], [Put("/a", b"mine")], FIRST_TRY_LOST) == TxnResult(True, 9)


def test_a_repeated_write_that_finds_another_value_lost_the_race() -> None:
    result = TxnResult(False, 12, [OTHER])
    assert after_repetition([Compare("/a", 5)], [Put("/a", b"mine")], result) is result


def test_a_repeated_deletion_of_a_missing_key_has_an_unknown_outcome() -> None:
    with pytest.raises(Unavailable):
        after_repetition([Compare("/a", 5)], [Delete("/a")], TxnResult(False, 12, [None]))
    result = TxnResult(False, 12, [OTHER])
    assert after_repetition([Compare("/a", 5)], [Delete("/a")], result) is result


@pytest.mark.parametrize(
    ("text", "members", "tls"),
    [
        ("etcd+http://127.0.0.1:2379", (Member("127.0.0.1", 2379),), False),
        ("etcd+https://a,b:99,[fd00::1]:7/", (Member("a", 2379), Member("b", 99), Member("fd00::1", 7)), True),
    ],
)
def test_an_address_names_its_members(text: str, members: tuple[Member, ...], tls: bool) -> None:
    address = parse(text)
    assert (address.members, address.tls) == (members, tls)


@pytest.mark.parametrize(
    "text",
    [
        "http://a", "etcd+http://", "etcd+http://a,,b", "etcd+http://a/b", "etcd+http://u@a", "etcd+http://a:x",
        "etcd+http://a:70000", "etcd+http://a,a", "",
    ],
)  # fmt: skip
def test_a_wrong_address_is_named_with_the_form_expected(text: str) -> None:
    with pytest.raises(AddressError, match="invalid store"):
        parse(text)


def test_the_end_of_a_prefix_is_the_next_key_that_does_not_begin_with_it() -> None:
    assert prefix_end("/registry/") == b"/registry0"
    assert prefix_end("") == b"\0"

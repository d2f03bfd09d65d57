"""The interface of allocation: the numbers of a write are confirmed if it happened, and released if it did not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from fairlead.api.core.configmap.kind import CONFIG_MAP
from fairlead.api.kinds import built_in
from fairlead.api.meta.types import ObjectMeta
from fairlead.apiserver.allocation.model import Allocations, Reservation
from fairlead.apiserver.registry.writer import WriteConflict, Writer
from fairlead.apiserver.watchcache.resource import Resource, Resources
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import StatusError, internal_error
from fairlead.store.memory import MemoryStore
from fairlead.store.model import Change, StoreError

ConfigMap = CONFIG_MAP.type


@dataclass
class Number:
    """A reservation that calls another server for every step."""

    log: list[str]
    confirmed: bool = False

    @property
    def empty(self) -> bool:
        return False

    async def confirm(self) -> None:
        await asyncio.sleep(0)
        self.confirmed = True
        self.log.append("confirm")

    async def release(self) -> None:
        await asyncio.sleep(0)
        if not self.confirmed:
            self.log.append("release")


@dataclass
class Numbers:
    """Implements `Allocation` for ConfigMaps."""

    kind: Kind[Any] = CONFIG_MAP
    log: list[str] = field(default_factory=list)
    full: bool = False

    def complete(self, old: Any, new: Any) -> None:
        self.log.append("complete")

    async def reserve(self, old: Any, new: Any) -> Reservation:
        await asyncio.sleep(0)
        if self.full:
            raise internal_error("range is full")
        new.data["number"] = "1"
        self.log.append(f"reserve after {old.data if old is not None else None}")
        return Number(self.log)


class GatedStore(MemoryStore):
    """A store whose next write waits until it is released, or fails."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        self.fails: Exception | None = None

    async def txn(self, *args: Any, **kwargs: Any) -> Any:
        self.reached.set()
        await self.go_on.wait()
        if self.fails is not None:
            raise self.fails
        return await super().txn(*args, **kwargs)


async def wired() -> tuple[Writer, Numbers, Resource, GatedStore]:
    store, numbers = GatedStore(), Numbers()
    resources = Resources(built_in(), store)
    await resources.load()
    store.go_on.set()
    return Writer(resources, Allocations([numbers])), numbers, resources.of(CONFIG_MAP), store


def made(name: str, **data: str) -> Any:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data=data)


def test_numbers_of_a_write_that_happened_are_kept() -> None:
    async def main() -> None:
        writer, numbers, resource, _ = await wired()
        entry = await writer.insert(resource, made("a"), dry_run=False)
        assert entry.decode().data == {"number": "1"}
        await writer.replace(resource, entry, made("a", x="2"), dry_run=False)
        assert numbers.log == ["reserve after None", "confirm", "reserve after {'number': '1'}", "confirm"]

    asyncio.run(main())


@pytest.mark.parametrize("why", ["dry run", "unchanged", "exists", "conflict", "store"])
def test_numbers_of_a_write_that_did_not_happen_are_released(why: str) -> None:
    async def main() -> None:
        writer, numbers, resource, store = await wired()
        entry = await writer.insert(resource, made("a"), dry_run=False)
        newer = await writer.replace(resource, entry, made("a", x="1"), dry_run=False)
        numbers.log.clear()
        if why == "dry run":
            await writer.insert(resource, made("b"), dry_run=True)
        elif why == "unchanged":
            await writer.replace(resource, newer, newer.decode(), dry_run=False)
        elif why == "exists":
            resource.cache.apply("default/a", _gone(newer.revision))
            with pytest.raises(StatusError, match="already exists"):
                await writer.insert(resource, made("a"), dry_run=False)
        elif why == "conflict":
            with pytest.raises(WriteConflict):
                await writer.replace(resource, entry, made("a", x="2"), dry_run=False)
        else:
            store.fails = _store_error()
            with pytest.raises(StatusError, match="no room"):
                await writer.insert(resource, made("c"), dry_run=False)
        assert [step.split()[0] for step in numbers.log] == ["reserve", "release"]

    asyncio.run(main())


def _gone(revision: int) -> Any:

    return Change("default/a", revision, None)


def _store_error() -> Exception:

    return StoreError("no room")


def cancelled(*, fails: bool) -> list[str]:
    """Cancels a writer during its write, which then succeeds or fails; returns the calls of its reservation."""

    async def main() -> list[str]:
        writer, numbers, resource, store = await wired()
        store.go_on.clear()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(writer.insert(resource, made("a"), dry_run=False))
            await store.reached.wait()
            task.cancel()
            store.fails = _store_error() if fails else None
            await asyncio.sleep(0)
            assert [step.split()[0] for step in numbers.log] == ["reserve"], "the outcome is still open"
            store.go_on.set()
        return [step.split()[0] for step in numbers.log]

    return asyncio.run(main())


def test_a_writer_that_hangs_up_confirms_its_number_exactly_if_the_write_happens() -> None:
    assert cancelled(fails=False) == ["reserve", "confirm"]
    assert cancelled(fails=True) == ["reserve", "release"]


def test_nothing_is_written_if_there_is_no_number() -> None:
    async def main() -> None:
        writer, numbers, resource, _ = await wired()
        numbers.full = True
        with pytest.raises(StatusError, match="range is full"):
            await writer.insert(resource, made("a"), dry_run=False)
        assert resource.cache.get("default/a") is None
        assert numbers.log == []

    asyncio.run(main())


def test_the_writer_completes_only_kinds_with_numbers() -> None:
    async def main() -> None:
        writer, numbers, _, _ = await wired()
        for kind in built_in():
            if kind is not CONFIG_MAP:
                writer.complete(kind, None, None)
        assert numbers.log == []
        writer.complete(CONFIG_MAP, None, made("a"))
        assert numbers.log == ["complete"]

    asyncio.run(main())

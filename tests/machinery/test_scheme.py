from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fairlead.machinery.kinds.kind import Kind, per_kind
from fairlead.machinery.kinds.scheme import Scheme
from tests.ships import old_ship_kind, ship_kind


class Listener:
    def __init__(self, name: str, heard: list[str], *, fails: bool = False) -> None:
        self.name = name
        self.heard = heard
        self.fails = fails

    async def kind_added(self, kind: Kind[Any]) -> None:
        if self.fails:
            raise RuntimeError(self.name)
        self.heard.append(f"{self.name} +{kind.kind}")

    async def kind_removed(self, kind: Kind[Any]) -> None:
        self.heard.append(f"{self.name} -{kind.kind}")


def test_a_kind_is_found_by_resource_and_by_name_while_it_is_in_the_scheme() -> None:
    async def main() -> None:
        kind, scheme = ship_kind(), Scheme()
        await scheme.add(kind)
        assert scheme.by_resource("harbour.example", "v1", "ships") is kind
        assert scheme.by_gvk("harbour.example", "v1", "Ship") is kind
        assert kind in scheme
        assert ship_kind() not in scheme
        assert list(scheme) == [kind]
        await scheme.remove(kind)
        assert scheme.by_resource("harbour.example", "v1", "ships") is None
        assert scheme.by_gvk("harbour.example", "v1", "Ship") is None
        assert kind not in scheme
        assert len(scheme) == 0

    asyncio.run(main())


def test_subscribers_hear_of_a_kind_in_order_and_of_its_end_in_the_opposite_order() -> None:
    async def main() -> None:
        kind, scheme, heard = ship_kind(), Scheme(), list[str]()
        scheme.subscribe(Listener("server", heard))
        end = scheme.subscribe(Listener("controllers", heard))
        await scheme.add(kind)
        await scheme.remove(kind)
        assert heard == ["server +Ship", "controllers +Ship", "controllers -Ship", "server -Ship"]
        end()
        await scheme.add(kind)
        assert heard[4:] == ["server +Ship"]

    asyncio.run(main())


def test_a_kind_that_a_subscriber_cannot_serve_is_not_added_and_can_be_added_later() -> None:
    async def main() -> None:
        kind, scheme, heard = ship_kind(), Scheme(), list[str]()
        scheme.subscribe(Listener("server", heard))
        broken = Listener("controllers", heard, fails=True)
        scheme.subscribe(broken)
        with pytest.raises(RuntimeError, match="controllers"):
            await scheme.add(kind)
        assert kind not in scheme
        assert heard == ["server +Ship", "controllers -Ship", "server -Ship"]
        broken.fails = False
        await scheme.add(kind)
        assert kind in scheme

    asyncio.run(main())


def test_two_kinds_of_one_name_and_a_version_without_its_storage_version_are_refused() -> None:
    async def main() -> None:
        kind, scheme = ship_kind(), Scheme()
        with pytest.raises(ValueError, match=r"the storage version of Ship .* is not in the scheme"):
            await scheme.add(old_ship_kind(kind))
        await scheme.add(kind)
        with pytest.raises(ValueError, match="is in the scheme already"):
            await scheme.add(ship_kind())
        await scheme.add(old_ship_kind(kind))
        with pytest.raises(ValueError, match=r"is the storage version of harbour\.example/v1beta1"):
            await scheme.remove(kind)
        assert scheme.stored() == [kind]
        with pytest.raises(ValueError, match="is not in the scheme"):
            await scheme.remove(ship_kind())

    asyncio.run(main())


def test_a_kind_is_not_removed_while_it_is_being_added() -> None:
    async def main() -> None:
        kind, scheme = ship_kind(), Scheme()
        began, goes_on = asyncio.Event(), asyncio.Event()

        class Slow(Listener):
            async def kind_added(self, kind: Kind[Any]) -> None:
                began.set()
                await goes_on.wait()

        scheme.subscribe(Slow("server", []))
        async with asyncio.TaskGroup() as group:
            group.create_task(scheme.add(kind))
            await began.wait()
            with pytest.raises(ValueError, match="is being added or removed"):
                await scheme.remove(kind)
            goes_on.set()
        assert kind in scheme

    asyncio.run(main())


def test_what_is_derived_from_a_kind_is_derived_once_and_belongs_to_the_kind() -> None:
    calls: list[str] = []

    @per_kind
    def label(kind: Kind[Any], suffix: str) -> str:
        calls.append(suffix)
        return kind.kind + suffix

    one, other = ship_kind(), ship_kind()
    labels = [label(one, "!"), label(one, "!"), label(one, "?"), label(other, "!")]
    assert labels == ["Ship!", "Ship!", "Ship?", "Ship!"]
    assert calls == ["!", "?", "!"]
    assert set(one.derived.values()) == {"Ship!", "Ship?"}


def test_a_kind_is_in_use_from_its_first_object_on() -> None:
    async def main() -> None:
        kind, scheme, used = ship_kind(), Scheme(), list[str]()
        scheme.on_use(lambda kind: used.append(kind.kind))
        scheme.track_use()
        await scheme.add(kind)
        assert not used
        assert scheme.used() == []
        scheme.mark_used(kind)
        scheme.mark_used(kind)
        assert scheme.used() == [kind]
        assert used == ["Ship"]
        await scheme.remove(kind)
        assert scheme.used() == []

    asyncio.run(main())


def test_without_a_server_that_tracks_use_every_stored_kind_is_in_use() -> None:
    async def main() -> None:
        kind, scheme, used = ship_kind(), Scheme(), list[str]()
        scheme.on_use(lambda kind: used.append(kind.version))
        await scheme.add(kind)
        await scheme.add(old_ship_kind(kind))
        assert scheme.used() == [kind]
        assert used == ["v1"]

    asyncio.run(main())

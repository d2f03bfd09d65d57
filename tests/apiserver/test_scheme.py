"""Kinds that are added to a running server and removed from it."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
from typing import Any

import pytest

from fairlead.machinery.kinds.kind import Kind
from fairlead.store.memory import MemoryStore
from fairlead.store.model import Damaged, Page
from fairlead.store.writes import create
from tests.api.test_unstructured import barge, barge_kind
from tests.apiserver.harness import Api, brief, events, start, story
from tests.ships import OLD_SHIPS, SHIPS, old_ship_kind, ship_kind

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
RAFTS = "/apis/harbour.example/v1/namespaces/default/rafts"
BARGES = "/apis/harbour.example/v1/namespaces/default/barges"


def ship(name: str, masts: int = 3) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"masts": masts}}


async def groups(api: Api) -> list[str]:
    return [group["name"] for group in (await api.ok("GET", "/apis"))["groups"]]


@story
async def test_an_added_kind_is_created_read_listed_watched_changed_and_deleted(api: Api) -> None:
    assert (await api.error("GET", SHIPS)).code == 404
    await api.scheme.add(ship_kind())
    made = await api.ok("POST", SHIPS, ship("a"))
    assert made["apiVersion"] == "harbour.example/v1"
    assert made["spec"] == {"masts": 3}
    watch = await api.watch(SHIPS, resourceVersion=made["metadata"]["resourceVersion"])
    await api.ok("PATCH", SHIPS + "/a", {"spec": {"masts": 4}}, content_type="application/merge-patch+json")
    apply = {"apiVersion": "harbour.example/v1", "kind": "Ship"} | ship("b", 1)
    await api.ok("PATCH", SHIPS + "/b", apply, query={"fieldManager": "x"}, content_type="application/apply-patch+yaml")
    await api.ok("DELETE", SHIPS + "/a")
    assert brief(await events(watch, 3)) == [("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]
    listed = await api.ok("GET", SHIPS)
    assert (listed["kind"], [item["metadata"]["name"] for item in listed["items"]]) == ("ShipList", ["b"])
    table = await api.ok("GET", SHIPS, accept=TABLE)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Masts", "Age"]
    assert table["rows"][0]["cells"][:2] == ["b", 1]
    error = await api.error("POST", SHIPS, ship("c", -1))
    assert (error.code, error.details["causes"][0]["field"]) == (422, "spec.masts")


@pytest.mark.slow
@story
async def test_discovery_and_openapi_show_an_added_kind_and_a_removed_one_no_longer(api: Api) -> None:
    before = await documents(api)
    kind = ship_kind()
    await api.scheme.add(kind)
    assert "harbour.example" in await groups(api)
    resources = (await api.ok("GET", "/apis/harbour.example/v1"))["resources"]
    assert [(r["name"], r["kind"], r["shortNames"]) for r in resources] == [("ships", "Ship", ["sh"])]
    aggregated = await api.ok("GET", "/apis", accept=AGGREGATED)
    assert "harbour.example" in [item["metadata"]["name"] for item in aggregated["items"]]
    assert "apis/harbour.example/v1" in (await api.ok("GET", "/openapi/v3"))["paths"]
    schemas = (await api.ok("GET", "/openapi/v3/apis/harbour.example/v1"))["components"]["schemas"]
    assert "io.k8s.api.harbour.v1.Ship" in schemas
    assert "io.k8s.api.harbour.v1.Ship" in (await api.ok("GET", "/openapi/v2"))["definitions"]
    assert "/apis/harbour.example/v1" in (await api.ok("GET", "/"))["paths"]
    await api.scheme.remove(kind)
    assert await documents(api) == before
    assert (await api.error("GET", "/apis/harbour.example/v1")).code == 404


async def documents(api: Api) -> list[Any]:
    paths = ("/", "/apis", "/openapi/v2", "/openapi/v3")
    return [await api.ok("GET", path) for path in paths] + [await api.ok("GET", "/apis", accept=AGGREGATED)]


@story
async def test_removing_a_kind_ends_its_watches_and_its_paths(api: Api) -> None:
    kind = ship_kind()
    await api.scheme.add(kind)
    await api.ok("POST", SHIPS, ship("a"))
    ships, others = await api.watch(SHIPS), await api.watch("/api/v1/configmaps")
    assert brief(await events(ships, 1)) == [("ADDED", "a")]
    await api.scheme.remove(kind)
    assert await asyncio.wait_for(ships.next(), 30) == ()
    assert (await api.error("GET", SHIPS + "/a")).code == 404
    assert (await api.error("POST", SHIPS, ship("b"))).code == 404
    await api.ok("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "still-watched"}})
    assert brief(await events(others, 1)) == [("ADDED", "still-watched")]
    others.close()


@story
async def test_a_kind_that_comes_back_has_the_objects_that_the_store_kept(api: Api) -> None:
    kind = ship_kind()
    await api.scheme.add(kind)
    made = await api.ok("POST", SHIPS, ship("a"))
    await api.scheme.remove(kind)
    await api.scheme.add(ship_kind())
    assert await api.ok("GET", SHIPS + "/a") == made
    await api.ok("POST", SHIPS, ship("b"))
    assert len((await api.ok("GET", SHIPS))["items"]) == 2


def test_changes_while_a_kind_is_added_are_delivered_exactly_once() -> None:
    class Slow(MemoryStore):
        """A store that reads lists at once and returns them late."""

        async def list(self, prefix: str, **more: Any) -> Page:
            page = await super().list(prefix, **more)
            if prefix.endswith("/ships/"):
                await create(self, prefix + "default/late", stored("late"))
            return page

    def stored(name: str) -> bytes:
        metadata = f'{{"name":"{name}","namespace":"default"}}'
        return f'{{"kind":"Ship","apiVersion":"harbour.example/v1","metadata":{metadata}}}'.encode()

    async def main() -> None:
        store = Slow()
        api = await start(store)
        await create(store, "/registry/harbour.example/ships/default/early", stored("early"))
        await api.scheme.add(ship_kind())
        found = await api.ok("GET", SHIPS)
        assert [item["metadata"]["name"] for item in found["items"]] == ["early", "late"]
        await api.server.stop()

    asyncio.run(main())


def test_a_kind_with_an_unreadable_object_is_not_added() -> None:
    async def main() -> None:
        store, kind = MemoryStore(), ship_kind()
        api = await start(store)
        await create(store, "/registry/harbour.example/ships/default/a", b"rubbish")
        with pytest.raises(Damaged, match="default/a"):
            await api.scheme.add(kind)
        assert kind not in api.scheme
        assert (await api.error("GET", SHIPS)).code == 404
        await api.server.stop()

    asyncio.run(main())


@story
async def test_versions_of_a_kind_show_the_same_objects_each_in_its_own_form(api: Api) -> None:
    storage = ship_kind()
    await api.scheme.add(storage)
    await api.scheme.add(old := old_ship_kind(storage))
    made = await api.ok("POST", OLD_SHIPS, {"metadata": {"name": "a"}, "masts": 2})
    assert (made["apiVersion"], made["masts"]) == ("harbour.example/v1beta1", 2)
    shown = await api.ok("GET", SHIPS + "/a")
    assert (shown["apiVersion"], shown["spec"]) == ("harbour.example/v1", {"masts": 2})
    assert shown["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    record = await api.store.list("/registry/harbour.example/ships/")
    assert [r.value.startswith(b'{"kind":"Ship","apiVersion":"harbour.example/v1"') for r in record.records] == [True]
    old_watch = await api.watch(OLD_SHIPS, resourceVersion=made["metadata"]["resourceVersion"])
    await api.ok("PUT", SHIPS + "/a", shown | {"spec": {"masts": 5}})
    (event,) = await events(old_watch, 1)
    assert (event["type"], event["object"]["masts"]) == ("MODIFIED", 5)
    group = await api.ok("GET", "/apis/harbour.example")
    assert [v["version"] for v in group["versions"]] == ["v1", "v1beta1"]
    await api.scheme.remove(old)
    assert await asyncio.wait_for(old_watch.next(), 30) == ()
    assert (await api.ok("GET", SHIPS + "/a"))["spec"] == {"masts": 5}
    assert (await api.error("GET", OLD_SHIPS + "/a")).code == 404


@story
async def test_a_kind_may_not_take_the_folder_of_another(api: Api) -> None:
    thief: Kind[Any] = Kind(
        type=ship_kind().type, kind="Thief", group="a.example", plural="thieves", storage_path="configmaps"
    )
    with pytest.raises(ValueError, match="configmaps"):
        await api.scheme.add(thief)
    assert thief not in api.scheme


@story
async def test_a_kind_without_a_python_type_is_served_like_any_other(api: Api) -> None:
    kind = barge_kind()
    await api.scheme.add(kind)
    made = await api.ok("POST", BARGES, barge(hatches=[{"name": "fore", "width": 2}]), query={"fieldManager": "me"})
    assert (made["metadata"]["generation"], made["spec"]) == (1, {"hatches": [{"name": "fore", "width": 2}]})
    watch = await api.watch(BARGES, resourceVersion=made["metadata"]["resourceVersion"])
    patch = {"spec": {"hatches": [{"name": "aft"}]}}
    path = f"{BARGES}/a"
    changed = await api.ok("PATCH", path, patch, content_type="application/merge-patch+json")
    assert (changed["metadata"]["generation"], changed["spec"]["hatches"]) == (2, [{"name": "aft"}])
    afloat = await api.ok("PUT", f"{path}/status", changed | {"status": {"afloat": True}, "spec": {}})
    assert (afloat["status"], afloat["spec"], afloat["metadata"]["generation"]) == (
        {"afloat": True},
        {"hatches": [{"name": "aft"}]},
        2,
    )
    kept = await api.ok("PUT", path, afloat | {"status": {}})
    assert kept["status"] == {"afloat": True}
    applied = await api.ok(
        "PATCH",
        path,
        barge(hatches=[{"name": "mid", "width": 1}]),
        query={"fieldManager": "you"},
        content_type="application/apply-patch+yaml",
    )
    assert [hatch["name"] for hatch in applied["spec"]["hatches"]] == ["aft", "mid"]
    table = await api.ok("GET", BARGES, accept=TABLE)
    assert table["rows"][0]["cells"] == ["a", 2]
    error = await api.error("POST", BARGES, barge(hatches=[{"name": "x", "width": 10}]))
    assert (error.code, error.details["causes"][0]["field"]) == (422, "spec.hatches[0].width")
    error = await api.error("POST", BARGES, barge(mast=1), query={"fieldValidation": "Strict"})
    assert (error.code, 'unknown field "spec.mast"' in str(error)) == (400, True)
    body = b"k8s\x00"
    assert (await api.error("POST", BARGES, body, content_type="application/vnd.kubernetes.protobuf")).code == 400
    await api.ok("DELETE", path)
    assert [event["type"] for event in await events(watch, 4)] == ["MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]
    assert "Barge" in str(await api.ok("GET", "/openapi/v3/apis/harbour.example/v1"))


@pytest.mark.slow
@story
async def test_a_removed_kind_leaves_nothing_in_memory(api: Api) -> None:
    def raft(**spec: Any) -> dict[str, Any]:
        return barge(**spec) | {"kind": "Raft"}

    for _ in range(3):
        kind = dataclasses.replace(barge_kind(), kind="Raft", plural="rafts")
        await api.scheme.add(kind)
        await api.ok("POST", RAFTS, raft(hatches=[{"name": "x"}]), query={"fieldManager": "me"})
        apply = {"query": {"fieldManager": "you"}, "content_type": "application/apply-patch+yaml"}
        await api.ok("PATCH", f"{RAFTS}/a", raft(load="1"), **apply)
        await api.ok("GET", RAFTS, accept=TABLE)
        await api.ok("GET", "/openapi/v3/apis/harbour.example/v1")
        watch = await api.watch(RAFTS)
        assert await watch.next()
        await api.ok("DELETE", f"{RAFTS}/a")
        await api.scheme.remove(kind)
    del kind, watch
    gc.collect()
    assert [found for found in gc.get_objects() if isinstance(found, Kind) and found.kind == "Raft"] == []

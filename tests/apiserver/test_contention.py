"""Many clients at once: no address is given twice, and no change is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .harness import JSON_PATCH, MERGE, SERVICES, Api, service, story

pytestmark = pytest.mark.slow

ROUNDS = 1000


@story
async def test_ten_thousand_services_of_sixteen_clients_have_ten_thousand_addresses(api: Api) -> None:
    found: list[str] = []

    async def client(number: int) -> None:
        for i in range(number, 10_000, 16):
            made = await api.ok("POST", SERVICES, service(f"s{i}"))
            found.append(made["spec"]["clusterIP"])

    await asyncio.gather(*(client(number) for number in range(16)))
    assert len(set(found)) == 10_000
    listed = (await api.ok("GET", SERVICES))["items"]
    assert {one["spec"]["clusterIP"] for one in listed} == {*found, "10.96.0.1"}
    held = (await api.ok("GET", "/apis/networking.k8s.io/v1/ipaddresses"))["items"]
    assert {one["metadata"]["name"] for one in held} == {*found, "10.96.0.1"}


@story
async def test_two_clients_fight_over_one_service_and_no_update_is_lost(api: Api) -> None:
    """One client reads, changes and PUTs; the other patches with a test of the old value; versions only grow."""
    path = f"{SERVICES}/web"
    await api.ok("POST", SERVICES, service("web") | {"metadata": {"name": "web", "annotations": {"a": "0", "b": "0"}}})
    seen: list[int] = []
    lost = {"a": 0, "b": 0}

    async def put(key: str) -> None:
        done = 0
        while done < ROUNDS:
            tree = await api.ok("GET", path)
            tree["metadata"]["annotations"][key] = str(int(tree["metadata"]["annotations"][key]) + 1)
            await asyncio.sleep(0)
            response = await api.call("PUT", path, tree)
            done += note(response.status, key, response.body)

    async def patch(key: str) -> None:
        done = 0
        while done < ROUNDS:
            value = (await api.ok("GET", path))["metadata"]["annotations"][key]
            where = f"/metadata/annotations/{key}"
            test = {"op": "test", "path": where, "value": value}
            change = {"op": "replace", "path": where, "value": str(int(value) + 1)}
            await asyncio.sleep(0)
            response = await api.call("PATCH", path, [test, change], content_type=JSON_PATCH)
            done += note(response.status, key, response.body)

    def note(status: int, key: str, body: bytes) -> int:
        assert status in (200, 409, 422), body
        if status != 200:
            lost[key] += 1
            return 0
        import msgspec

        tree: dict[str, Any] = msgspec.json.decode(body)
        seen.append(int(tree["metadata"]["resourceVersion"]))
        return 1

    await asyncio.gather(put("a"), patch("b"))
    found = await api.ok("GET", path)
    assert found["metadata"]["annotations"] == {"a": str(ROUNDS), "b": str(ROUNDS)}
    assert len(set(seen)) == len(seen) == 2 * ROUNDS
    assert max(seen) == int(found["metadata"]["resourceVersion"])
    assert lost["a"] > 0, "they never met"


@story
async def test_a_thousand_patches_and_applies_of_two_clients_all_count(api: Api) -> None:
    path, apply = f"{SERVICES}/web", "application/apply-patch+yaml"
    await api.ok("POST", SERVICES, service("web"))
    versions: dict[str, list[int]] = {"a": [], "b": []}

    async def merge(key: str) -> None:
        for i in range(ROUNDS // 2):
            body = {"metadata": {"annotations": {f"{key}{i}": "x"}}}
            tree = await api.ok("PATCH", path, body, content_type=MERGE)
            versions[key].append(int(tree["metadata"]["resourceVersion"]))

    async def applied(key: str) -> None:
        labels = {}
        for i in range(ROUNDS // 2):
            labels[f"{key}{i}"] = "x"
            body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": labels}}
            query = {"fieldManager": "fighter"}
            tree = await api.ok("PATCH", path, body, query=query, content_type=apply)
            versions[key].append(int(tree["metadata"]["resourceVersion"]))

    await asyncio.gather(merge("a"), applied("b"))
    meta = (await api.ok("GET", path))["metadata"]
    assert len(meta["annotations"]) == len(meta["labels"]) == ROUNDS // 2
    for found in versions.values():
        assert found == sorted(set(found))

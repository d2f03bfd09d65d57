"""Two clients change one Service: no update is lost, and versions only grow."""

from __future__ import annotations

import asyncio
import random

import pytest

from .harness import JSON_PATCH, MERGE, SERVICES, STRATEGIC, Api, Tree, service, story

ROUNDS = 500
PATH = f"{SERVICES}/a"


async def fight(api: Api, me: str, rng: random.Random) -> list[int]:
    """Increments one annotation per client by every kind of write. Returns the versions in order."""
    versions: list[int] = []
    count = 0
    while count < ROUNDS:
        found = await api.ok("GET", PATH)
        versions.append(int(found["metadata"]["resourceVersion"]))
        await asyncio.sleep(0)
        wish: Tree = {"metadata": {"annotations": {me: str(count + 1)}}}
        match rng.randrange(5):
            case 0:
                found["metadata"].setdefault("annotations", {}).update(wish["metadata"]["annotations"])
                answer = await api.call("PUT", PATH, found)
            case 1:
                answer = await api.call("PATCH", PATH, wish, content_type=MERGE)
            case 2:
                answer = await api.call("PATCH", PATH, wish, content_type=STRATEGIC)
            case 3:
                operation = {"op": "add", "path": f"/metadata/annotations/{me}", "value": str(count + 1)}
                answer = await api.call("PATCH", PATH, [operation], content_type=JSON_PATCH)
            case _:
                applied: Tree = {"apiVersion": "v1", "kind": "Service"} | wish
                applied["metadata"] = wish["metadata"] | {"name": "a"}
                query = {"fieldManager": me, "force": "true"}
                media = "application/apply-patch+yaml"
                answer = await api.call("PATCH", PATH, applied, query=query, content_type=media)
        assert answer.status in (200, 409), answer.body
        count += answer.status == 200
    return versions


@pytest.mark.slow
@story
async def test_two_clients_fight_over_a_service_and_nothing_is_lost(api: Api) -> None:
    made = service("a")
    made["metadata"]["annotations"] = {"one": "0", "two": "0"}
    await api.ok("POST", SERVICES, made)
    both = await asyncio.gather(fight(api, "one", random.Random(1)), fight(api, "two", random.Random(2)))
    assert all(versions == sorted(versions) for versions in both)
    found = (await api.ok("GET", PATH))["metadata"]
    assert (found["annotations"]["one"], found["annotations"]["two"]) == (str(ROUNDS), str(ROUNDS))
    assert int(found["resourceVersion"]) >= max(both[0][-1], both[1][-1])

"""ComponentStatus and Binding: kinds whose objects are not stored."""

from __future__ import annotations

import asyncio

from fairlead.apiserver.connect.componentstatus import ComponentStatusSource, store_check
from fairlead.runtime.fake import run_jumping
from fairlead.runtime.health import RunningWork
from fairlead.store.memory import MemoryStore
from fairlead.store.model import Record, StoreError

from .harness import Api, Tree, story

STATUSES, BINDINGS = "/api/v1/componentstatuses", "/api/v1/namespaces/default/bindings"
PODS = "/api/v1/namespaces/default/pods"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
POD: Tree = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "web", "image": "fairlead/web"}]}}


class BrokenStore(MemoryStore):
    async def get(self, key: str) -> Record | None:
        raise StoreError("disk full")


def binding(name: str = "web", **target: str) -> Tree:
    return {"metadata": {"name": name}, "target": {"kind": "Node", "name": "node1"} | target}


@story
async def test_the_health_of_each_component_is_checked_at_each_request(api: Api) -> None:
    table = await api.ok("GET", STATUSES, accept=TABLE)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Status", "Message", "Error"]
    assert [row["cells"] for row in table["rows"]] == [["etcd-0", "Healthy", "ok", ""]]
    one = await api.ok("GET", f"{STATUSES}/etcd-0")
    assert one["conditions"] == [{"type": "Healthy", "message": "ok", "status": "True"}]
    assert (await api.error("GET", f"{STATUSES}/other")).code == 404
    assert (await api.error("POST", STATUSES, {"metadata": {"name": "x"}})).code == 405


def test_a_store_that_fails_and_a_component_that_ended_are_unhealthy() -> None:
    async def main() -> None:
        work = RunningWork()
        source = ComponentStatusSource({"etcd-0": store_check(BrokenStore()), "scheduler": work.check})
        running = asyncio.ensure_future(work.run(asyncio.sleep(10)))
        await asyncio.sleep(1)
        assert [_seen(found) for found in await source.objects("", "")] == [
            ("etcd-0", "False", "disk full"),
            ("scheduler", "True", "ok"),
        ]
        await running
        assert [_seen(found) for found in await source.objects("", "scheduler")] == [
            ("scheduler", "False", "not running")
        ]

    run_jumping(main())


def test_a_component_that_does_not_answer_is_unhealthy_and_delays_no_other() -> None:
    async def never() -> str:
        await asyncio.Event().wait()
        return ""

    async def main() -> None:
        found = await ComponentStatusSource({"scheduler": never}).objects("", "")
        assert _seen(found[0]) == ("scheduler", "False", "no answer within 5 s")

    run_jumping(main())


def _seen(found: object) -> tuple[str, str, str]:
    (condition,) = found.conditions  # type: ignore[attr-defined]
    return found.metadata.name, condition.status, condition.message  # type: ignore[attr-defined]


@story
async def test_a_posted_binding_assigns_the_pod_that_it_names(api: Api) -> None:
    await api.ok("POST", PODS, POD)
    assert (await api.ok("POST", BINDINGS, binding()))["status"] == "Success"
    assert (await api.ok("GET", f"{PODS}/web"))["spec"]["nodeName"] == "node1"
    assert (await api.error("POST", BINDINGS, binding())).code == 409
    assert (await api.error("POST", BINDINGS, binding("other"))).code == 404
    assert (await api.error("GET", BINDINGS)).code == 405


@story
async def test_a_wrong_binding_is_refused(api: Api) -> None:
    await api.ok("POST", PODS, POD)
    for body, code, text in (
        ({"target": {"name": "node1"}}, 422, "metadata.name: Required value: name is required"),
        (binding(kind="Ship"), 400, 'invalid kind "Ship": must be empty or "Node"'),
        (binding(name_="x"), 400, "unknown field"),
    ):
        error = await api.error("POST", BINDINGS, body, query={"fieldValidation": "Strict"})
        assert (error.code, text in str(error)) == (code, True), error

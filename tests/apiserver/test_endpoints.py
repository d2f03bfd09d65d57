"""Health, version, discovery, OpenAPI, metrics, reviews."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from fairlead.store.memory import MemoryStore
from fairlead.store.model import Compare, Full, Operation, TxnResult

from .harness import CONFIG_MAPS, SERVICES, Api, config_map, start, story


@story
async def test_health_in_short_and_in_long(api: Api) -> None:
    response = await api.call("GET", "/readyz")
    assert (response.status, response.body, response.headers["content-type"][:10]) == (200, b"ok", "text/plain")
    response = await api.call("GET", "/livez", query={"verbose": ""})
    assert response.body == (b"[+]ping ok\n[+]log ok\n[+]store ok\nlivez check passed\n")
    response = await api.call("GET", "/readyz", query={"verbose": "", "exclude": "log"})
    assert response.body == (
        b"[+]ping ok\n[+]log excluded: ok\n[+]store ok\n[+]store-writes ok\n"
        b"[+]informer-sync ok\n[+]shutdown ok\nreadyz check passed\n"
    )
    response = await api.call("GET", "/livez", query={"verbose": "", "exclude": "x"})
    assert b'warn: some health checks cannot be excluded: no matches for "x"\n' in response.body
    assert (await api.call("GET", "/healthz/ping")).body == b"ok"
    api.server._stopping = True
    refused = await api.call("GET", "/readyz")
    assert (refused.status, refused.body.splitlines()[-2:]) == (
        500,
        [b"[-]shutdown failed: reason withheld", b"readyz check failed"],
    )
    assert (await api.call("GET", "/readyz", query={"exclude": "shutdown"})).body == b"ok"
    assert (await api.call("GET", "/livez")).body == b"ok"
    api.server._stopping = False
    assert (await api.call("GET", "/healthz/nothing")).status == 404


class FullStore(MemoryStore):
    """A store on a disk without room, as long as `full` is set."""

    full = False

    async def txn(self, compare: Sequence[Compare], operations: Sequence[Operation]) -> TxnResult:
        if self.full:
            raise Full("no room")
        return await super().txn(compare, operations)


def test_a_server_is_not_ready_while_its_store_cannot_be_written() -> None:
    async def use() -> None:
        store = FullStore()
        api = await start(store)
        assert (await api.call("GET", "/readyz")).status == 200
        store.full = True
        assert (await api.error("POST", CONFIG_MAPS, config_map("a"))).code == 500
        refused = await api.call("GET", "/readyz", query={"verbose": ""})
        assert (refused.status, refused.body.splitlines()[3]) == (500, b"[-]store-writes failed: reason withheld")
        assert (await api.call("GET", "/readyz/store-writes")).status == 500
        assert (await api.call("GET", "/livez")).status == 200
        store.full = False
        await api.ok("POST", CONFIG_MAPS, config_map("a"))
        assert (await api.call("GET", "/readyz")).body == b"ok"
        await api.server.stop()

    asyncio.run(use())


@story
async def test_the_version_is_read_by_kubectl(api: Api) -> None:
    found = await api.ok("GET", "/version")
    assert (found["major"], found["minor"], found["gitVersion"]) == ("1", "36", "v1.36.0+fairlead")
    assert set(found) >= {"gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"}


@story
async def test_discovery_names_every_path_that_the_root_lists(api: Api) -> None:
    for path in (await api.ok("GET", "/"))["paths"]:
        assert (await api.call("GET", path)).status == 200, path
    assert (await api.ok("GET", "/api"))["versions"] == ["v1"]
    groups = sorted(group["name"] for group in (await api.ok("GET", "/apis"))["groups"])
    assert groups == [
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "metrics.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    ]
    assert (await api.ok("GET", "/apis/apps"))["kind"] == "APIGroup"
    resources = (await api.ok("GET", "/apis/apps/v1/"))["resources"]
    assert "deployments/scale" in [resource["name"] for resource in resources]
    assert (await api.error("GET", "/apis/nope")).code == 404


@story
async def test_aggregated_discovery_for_those_who_ask(api: Api) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    response = await api.call("GET", "/apis", accept=accept)
    assert response.headers["content-type"].endswith("as=APIGroupDiscoveryList")
    tree = msgspec.json.decode(response.body)
    assert tree["items"][0]["metadata"]["name"] == "apps"
    assert (await api.ok("GET", "/apis"))["kind"] == "APIGroupList"


@story
async def test_every_openapi_document_of_the_index_is_there(api: Api) -> None:
    index = (await api.ok("GET", "/openapi/v3"))["paths"]
    assert set(index) >= {"api/v1", "apis/apps/v1"}
    for entry in index.values():
        path, _, hash = entry["serverRelativeURL"].partition("?")
        document = await api.ok("GET", path, query=dict([hash.split("=")]))
        assert document["openapi"].startswith("3.")
    assert (await api.ok("GET", "/openapi/v2"))["swagger"] == "2.0"
    assert (await api.error("GET", "/openapi/v3/apis/nope/v1")).code == 404


@story
async def test_requests_are_counted(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    await api.error("GET", f"{SERVICES}/none")
    lines = (await api.call("GET", "/metrics")).body.decode().splitlines()
    made = (
        'component="apiserver",group="",resource="configmaps",scope="resource",subresource="",verb="POST",version="v1"'
    )
    missing = (
        'component="apiserver",group="",resource="services",scope="resource",subresource="",verb="GET",version="v1"'
    )
    assert f'apiserver_request_total{{code="201",{made}}} 1' in lines
    assert f'apiserver_request_total{{code="404",{missing}}} 1' in lines
    assert f'apiserver_request_duration_seconds_bucket{{{made},le="0.005"}} 1' in lines
    assert 'apiserver_storage_objects{resource="configmaps"} 1' in lines
    assert 'apiserver_resource_objects{group="",resource="configmaps"} 1' in lines
    assert 'apiserver_current_inflight_requests{request_kind="readOnly"} 1' in lines, "this request"
    assert 'apiserver_current_inflight_requests{request_kind="mutating"} 0' in lines
    names = {line.split("{")[0].split(" ")[0] for line in lines if not line.startswith("#")}
    documented = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    suffixes = ("", "_bucket", "_sum", "_count")
    assert all(any(name == known + suffix for known in documented for suffix in suffixes) for name in names)


@story
async def test_a_user_may_review_identity_and_permissions(api: Api) -> None:
    found = await api.ok("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert found["status"]["userInfo"]["username"] == "system:apiserver"
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    asked = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    assert (await api.ok("POST", path, asked))["status"]["allowed"] is True
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    listed = await api.ok("POST", path, {"spec": {"namespace": "default"}})
    assert listed["spec"] == {"namespace": "default"}
    assert {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]} in listed["status"]["resourceRules"]


def test_a_restart_does_not_extend_the_life_of_events() -> None:
    path = "/api/v1/namespaces/default/events"
    about = {"kind": "Pod", "namespace": "default", "name": "a"}

    async def main() -> None:
        store = MemoryStore()
        first = await start(store)
        first.clock.advance(-4000)
        for name in ("old", "newer"):
            await first.ok("POST", path, {"metadata": {"name": name}, "involvedObject": about})
            first.clock.advance(3000)
        await first.server.stop()
        second = await start(store)
        await second.server._background.expiry.sweep()
        left = (await second.ok("GET", path))["items"]
        assert [event["metadata"]["name"] for event in left] == ["newer"]
        second.clock.advance(2700)
        await second.server._background.expiry.sweep()
        assert (await second.ok("GET", path))["items"] == []
        await second.server.stop()

    asyncio.run(main())


@story
async def test_events_expire_an_hour_after_their_last_change(api: Api) -> None:
    path = "/api/v1/namespaces/default/events"
    about = {"kind": "Pod", "namespace": "default", "name": "a"}
    for name in ("old", "renewed"):
        await api.ok("POST", path, {"metadata": {"name": name}, "involvedObject": about})
    await api.server._background.expiry.sweep()
    api.clock.advance(2000)
    patch = {"count": 2}
    await api.ok("PATCH", f"{path}/renewed", patch, content_type="application/merge-patch+json")
    await api.server._background.expiry.sweep()
    api.clock.advance(2000)
    await api.server._background.expiry.sweep()
    left = (await api.ok("GET", path))["items"]
    assert [event["metadata"]["name"] for event in left] == ["renewed"]


@story
async def test_a_change_of_a_kind_leaves_the_documents_of_other_groups(api: Api) -> None:
    before = (await api.ok("GET", "/openapi/v3"))["paths"]
    kinds = [kind for kind in api.scheme if kind.group == "scheduling.k8s.io"]
    for kind in kinds:
        await api.scheme.remove(kind)
    without = (await api.ok("GET", "/openapi/v3"))["paths"]
    assert without == {path: entry for path, entry in before.items() if "scheduling" not in path}
    for kind in kinds:
        await api.scheme.add(kind)
    assert (await api.ok("GET", "/openapi/v3"))["paths"] == before

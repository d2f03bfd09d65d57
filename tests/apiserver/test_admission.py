"""Admission plug-ins that change objects, refuse them, or only observe."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from fairlead.api.core.pod.actions import Binding, Eviction
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.extensions import Extensions
from fairlead.apiserver.model import Forward, Upgrade, User
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.client import Request, Response

from .harness import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    JSON_PATCH,
    MERGE,
    PODS,
    SERVICES,
    STRATEGIC,
    Api,
    Tree,
    config_map,
    deployment,
    handle,
    pod,
    service,
    start,
)

APPLY = "application/apply-patch+yaml"
ALICE = User("alice", ("system:masters", "system:authenticated"))
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
DRY = {"dryRun": "All"}
HEADERS = {"connection": "upgrade", "upgrade": "websocket"}


@dataclass(frozen=True)
class PluginCall:
    """One call of a plug-in; `step` is `admit` or `validate`."""

    step: str
    operation: str
    kind: str
    subresource: str
    name: str
    dry_run: bool
    user: str = "alice"


@dataclass
class RecordingPlugin(AdmissionPlugin):
    """A plug-in that records its calls, may change the object, and refuses configured steps."""

    name = "RecordingPlugin"
    calls: list[PluginCall] = field(default_factory=list)
    old: list[Any] = field(default_factory=list)
    refuses: str = ""
    change: Callable[[Attributes], None] = lambda _: None

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return True

    async def admit(self, attributes: Attributes) -> None:
        await asyncio.sleep(0)
        self._record("admit", attributes)
        self.old.append(attributes.old)
        self.change(attributes)

    async def validate(self, attributes: Attributes) -> None:
        self._record("validate", attributes)
        if self.refuses and attributes.user == ALICE:
            raise attributes.denied(self.refuses)

    def _record(self, step: str, a: Attributes) -> None:
        if a.user == ALICE:
            one = PluginCall(step, a.operation, a.kind.kind, a.subresource, a.name, a.dry_run, a.user.name)
            self.calls.append(one)


Story = Callable[[Api, RecordingPlugin], Awaitable[None]]


def with_plugin(story: Story) -> Callable[[], None]:
    """Makes a test of a coroutine that takes a server with such a plug-in, as the user alice."""

    def run() -> None:
        async def main() -> None:
            plugin = RecordingPlugin()
            api = await start(extensions=Extensions(plugins=(plugin,)))
            await api.ok("POST", CONFIG_MAPS, config_map("a", x="1"))
            await api.ok("POST", DEPLOYMENTS, deployment("web"))
            await api.ok("POST", PODS, pod("p", nodeName="n1"))
            await api.ok("POST", PODS, pod("free"))
            await api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
            address = {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}
            await api.ok("PATCH", "/api/v1/nodes/n1/status", {"status": address}, content_type=MERGE)
            running = {"status": {"phase": "Running", "podIP": "192.0.2.2"}}
            await api.ok("PATCH", f"{PODS}/p/status", running, content_type=MERGE)
            await api.ok("POST", SERVICES, service("web"))
            plugin.old.clear()
            try:
                await story(replace(api, user=ALICE), plugin)
            finally:
                await api.server.stop()

        asyncio.run(main())

    run.__name__, run.__doc__ = story.__name__, story.__doc__
    return run


@dataclass(frozen=True)
class Write:
    """A request, and the operation, kind, subresource and name that a plug-in must see."""

    method: str
    path: str
    body: Any
    operation: str
    kind: str
    subresource: str = ""
    name: str = ""
    media: str = "application/json"
    query: dict[str, str] = field(default_factory=dict)

    def expected_calls(self, *, dry_run: bool = False) -> list[PluginCall]:
        about = (self.operation, self.kind, self.subresource, self.name, dry_run)
        return [PluginCall("admit", *about), PluginCall("validate", *about)]


APPLIED = b'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "%s"}, "data": {"y": "1"}}'
SCALED = b'{"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 4}}'
MINE = {"fieldManager": "me", "force": "true"}
NODE = {"target": {"kind": "Node", "name": "n1"}}
PHASE = {"status": {"phase": "Running"}}
CALLED = {"metadata": {"name": "web"}, "spec": {"replicas": 5}}
WRITES = {
    "create": Write("POST", CONFIG_MAPS, config_map("b"), "CREATE", "ConfigMap"),
    "update": Write("PUT", f"{CONFIG_MAPS}/a", config_map("a", x="2"), "UPDATE", "ConfigMap", "", "a"),
    "merge patch": Write("PATCH", f"{CONFIG_MAPS}/a", {"data": {"x": "3"}}, "UPDATE", "ConfigMap", "", "a", MERGE),
    "strategic merge patch": Write(
        "PATCH", f"{CONFIG_MAPS}/a", {"data": {"x": "4"}}, "UPDATE", "ConfigMap", "", "a", STRATEGIC
    ),
    "JSON patch": Write(
        "PATCH",
        f"{CONFIG_MAPS}/a",
        [{"op": "replace", "path": "/data/x", "value": "5"}],
        "UPDATE",
        "ConfigMap",
        "",
        "a",
        JSON_PATCH,
    ),
    "apply of a new object": Write(
        "PATCH", f"{CONFIG_MAPS}/c", APPLIED % b"c", "CREATE", "ConfigMap", media=APPLY, query=MINE
    ),
    "apply": Write("PATCH", f"{CONFIG_MAPS}/a", APPLIED % b"a", "UPDATE", "ConfigMap", "", "a", APPLY, MINE),
    "status": Write("PUT", f"{PODS}/p/status", pod("p") | PHASE, "UPDATE", "Pod", "status", "p"),
    "patch of status": Write("PATCH", f"{PODS}/p/status", PHASE, "UPDATE", "Pod", "status", "p", MERGE),
    "ephemeral containers": Write(
        "PATCH", f"{PODS}/p/ephemeralcontainers", {}, "UPDATE", "Pod", "ephemeralcontainers", "p", MERGE
    ),
    "scale": Write("PUT", f"{DEPLOYMENTS}/web/scale", CALLED, "UPDATE", "Deployment", "scale", "web"),
    "patch of scale": Write(
        "PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 6}}, "UPDATE", "Deployment", "scale", "web", MERGE
    ),
    "apply of scale": Write(
        "PATCH", f"{DEPLOYMENTS}/web/scale", SCALED, "UPDATE", "Deployment", "scale", "web", APPLY, MINE
    ),
    "binding": Write("POST", f"{PODS}/free/binding", NODE, "CREATE", "Pod", "binding", "free"),
    "eviction": Write("POST", f"{PODS}/free/eviction", {}, "CREATE", "Pod", "eviction", "free"),
    "token": Write("POST", f"{ACCOUNTS}/default/token", {"spec": {}}, "CREATE", "ServiceAccount", "token", "default"),
    "finalize": Write(
        "PUT",
        "/api/v1/namespaces/kube-public/finalize",
        {"metadata": {"name": "kube-public"}, "spec": {"finalizers": ["kubernetes"]}},
        "UPDATE",
        "Namespace",
        "finalize",
        "kube-public",
    ),
    "delete": Write("DELETE", f"{CONFIG_MAPS}/a", None, "DELETE", "ConfigMap", "", "a"),
    "deletecollection": Write("DELETE", CONFIG_MAPS, None, "DELETE", "ConfigMap", "", "a"),
}


async def sent(api: Api, write: Write, **query: str) -> Response:
    return await api.call(
        write.method, write.path, write.body, query={**write.query, **query}, content_type=write.media
    )


async def everything(api: Api) -> dict[str, Tree]:
    paths = (CONFIG_MAPS, PODS, DEPLOYMENTS, "/api/v1/namespaces")
    return {path: (await api.ok("GET", path))["items"] for path in paths}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_every_write_is_admitted_then_validated_with_its_user(write: Write) -> None:
    @with_plugin
    async def story(api: Api, plugin: RecordingPlugin) -> None:
        assert (await sent(api, write)).status < 300
        assert plugin.calls == write.expected_calls()
        (old,) = plugin.old
        assert (old is None) is (write.operation == "CREATE")

    story()


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_dry_run_is_admitted_as_one_and_leaves_everything_as_it_was(write: Write) -> None:
    @with_plugin
    async def story(api: Api, plugin: RecordingPlugin) -> None:
        before = await everything(api)
        assert (await sent(api, write, **DRY)).status < 300
        assert plugin.calls == write.expected_calls(dry_run=True)
        assert await everything(api) == before

    story()


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_refusal_is_the_answer_and_nothing_is_written(write: Write) -> None:
    @with_plugin
    async def story(api: Api, plugin: RecordingPlugin) -> None:
        before = await everything(api)
        plugin.refuses = "no, because"
        for query in ({}, DRY):
            response = await sent(api, write, **query)
            assert response.status == 403
            assert response.body.count(b"is forbidden: no, because") == 1, response.body
        assert await everything(api) == before

    story()


CONNECTS = {
    "exec": (f"{PODS}/p/exec", {"command": "ls"}),
    "attach": (f"{PODS}/p/attach", {}),
    "portforward": (f"{PODS}/p/portforward", {}),
    "proxy": (f"{PODS}/p:80/proxy", {}),
}


@pytest.mark.parametrize("name", CONNECTS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_is_admitted_and_can_be_refused(name: str, method: str) -> None:
    path, query = CONNECTS[name]

    @with_plugin
    async def story(api: Api, plugin: RecordingPlugin) -> None:
        request = Request(method, path, query, HEADERS)
        assert isinstance(await handle(api.server, request, ALICE), Forward | Upgrade)
        about = ("CONNECT", "Pod", name, path.split("/")[-2], False)
        assert plugin.calls == [PluginCall("admit", *about), PluginCall("validate", *about)]
        plugin.refuses = "stay out"
        refused = await handle(api.server, request, ALICE)
        assert isinstance(refused, Response)
        assert (refused.status, b"is forbidden: stay out" in refused.body) == (403, True)

    story()


@with_plugin
async def test_a_plugin_may_change_what_is_run_in_a_container(api: Api, plugin: RecordingPlugin) -> None:
    def change(attributes: Attributes) -> None:
        attributes.obj["command"] = "true"

    plugin.change = change
    outcome = await handle(api.server, Request("GET", f"{PODS}/p/exec", {"command": "ls"}, HEADERS), ALICE)
    assert isinstance(outcome, Upgrade)
    assert outcome.path.endswith("?command=true")


@with_plugin
async def test_other_proxies_and_reads_are_distinguished(api: Api, plugin: RecordingPlugin) -> None:
    for path in ("/api/v1/nodes/n1/proxy/healthz", f"{SERVICES}/web/proxy"):
        await handle(api.server, Request("OPTIONS", path, {}, {}), ALICE)
    admitted = [(s.kind, s.subresource) for s in plugin.calls if s.step == "admit"]
    assert admitted == [("Node", "proxy"), ("Service", "proxy")]
    plugin.calls.clear()
    for path in (CONFIG_MAPS, f"{CONFIG_MAPS}/a", f"{PODS}/p/status", f"{DEPLOYMENTS}/web/scale", f"{PODS}/p/log"):
        await api.call("GET", path)
    assert plugin.calls == []


def labelled(attributes: Attributes) -> None:
    if attributes.obj is not None and attributes.user == ALICE:
        attributes.obj.metadata.labels["by"] = "plugin"


@pytest.mark.parametrize(
    "name", [name for name, write in WRITES.items() if write.kind == "ConfigMap" and write.operation != "DELETE"]
)
def test_the_changes_of_a_plugin_are_returned_and_stored(name: str) -> None:
    @with_plugin
    async def story(api: Api, plugin: RecordingPlugin) -> None:
        plugin.change = labelled
        write = WRITES[name]
        assert b'"by":"plugin"' in (await sent(api, write, **DRY)).body
        assert b'"by":"plugin"' in (await sent(api, write)).body
        stored = {item["metadata"]["name"]: item for item in (await api.ok("GET", CONFIG_MAPS))["items"]}
        changed = write.path.removeprefix(CONFIG_MAPS).strip("/") or "b"
        assert stored[changed]["metadata"]["labels"] == {"by": "plugin"}

    story()


@with_plugin
async def test_a_plugin_may_put_another_object_in_place_and_change_other_bodies(
    api: Api, plugin: RecordingPlugin
) -> None:
    def change(attributes: Attributes) -> None:
        obj = attributes.obj
        match attributes.subresource:
            case "":
                attributes.obj = type(obj)(metadata=obj.metadata, data={"x": "theirs"})
            case "scale":
                obj.spec.replicas = 7
            case "binding":
                assert isinstance(obj, Binding)
                obj.target.name = "n2"
            case "eviction":
                assert isinstance(obj, Eviction)
                obj.deleteOptions = None
            case _:
                obj.spec.expirationSeconds = 700

    plugin.change = change
    assert (await api.ok("POST", CONFIG_MAPS, config_map("b", x="mine")))["data"] == {"x": "theirs"}
    assert (await api.ok("PUT", f"{CONFIG_MAPS}/b", config_map("b", x="mine")))["data"] == {"x": "theirs"}
    for name in ("scale", "patch of scale", "apply of scale"):
        assert b'"replicas":7' in (await sent(api, WRITES[name])).body, name
        assert (await api.ok("GET", f"{DEPLOYMENTS}/web"))["spec"]["replicas"] == 7
    await sent(api, WRITES["binding"])
    assert (await api.ok("GET", f"{PODS}/free"))["spec"]["nodeName"] == "n2"
    token = await api.ok("POST", f"{ACCOUNTS}/default/token", {"spec": {}})
    assert token["spec"]["expirationSeconds"] == 700
    evicted = {"deleteOptions": {"gracePeriodSeconds": 0}}
    await api.ok("POST", f"{PODS}/p/eviction", evicted)
    assert (await api.ok("GET", f"{PODS}/p"))["metadata"]["deletionGracePeriodSeconds"] == 30


@with_plugin
async def test_an_object_from_a_plugin_is_checked_and_cannot_set_the_servers_fields(
    api: Api, plugin: RecordingPlugin
) -> None:
    def change(attributes: Attributes) -> None:
        if attributes.kind.kind == "Pod":
            attributes.obj.status.phase = "Succeeded"
            attributes.obj.spec.nodeName = attributes.obj.spec.nodeName or "n9"
        else:
            attributes.obj.metadata.labels = {"not valid": "x"}

    plugin.change = change
    error = await api.error("POST", CONFIG_MAPS, config_map("b"))
    assert (error.code, error.details["causes"][0]["field"]) == (422, "metadata.labels")
    assert (await api.error("PATCH", f"{CONFIG_MAPS}/a", {"data": {"y": "1"}}, content_type=MERGE)).code == 422
    made = await api.ok("POST", PODS, pod("q"))
    assert (made["spec"]["nodeName"], made["status"]["phase"]) == ("n9", "Pending")
    put = await api.ok("PUT", f"{PODS}/p/status", pod("p", nodeName="n1") | {"status": {"phase": "Running"}})
    assert (put["spec"]["nodeName"], put["status"]["phase"]) == ("n1", "Succeeded")


@with_plugin
async def test_warnings_of_plugins_reach_the_client_once_each_also_with_an_error(
    api: Api, plugin: RecordingPlugin
) -> None:
    def change(attributes: Attributes) -> None:
        attributes.warn("careful")
        attributes.warn("careful")

    plugin.change = change
    for name in ("create", "merge patch", "scale", "eviction", "token", "delete"):
        assert (await sent(api, WRITES[name])).headers["warning"] == '299 - "careful"', name
    plugin.refuses = "no"
    response = await sent(api, WRITES["create"])
    assert (response.status, response.headers["warning"]) == (403, '299 - "careful"')


@with_plugin
async def test_a_delete_shows_the_object_that_goes_and_each_of_a_collection(api: Api, plugin: RecordingPlugin) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("b", x="2"))
    plugin.old.clear()
    plugin.calls.clear()
    await api.ok("DELETE", CONFIG_MAPS)
    assert sorted((old.metadata.name, old.data["x"]) for old in plugin.old) == [("a", "1"), ("b", "2")]
    assert sorted(s.name for s in plugin.calls if s.step == "validate") == ["a", "b"]


class RacingPlugin(RecordingPlugin):
    """A plug-in that lets another client write between its decision and the write."""

    other: Api | None = None

    async def validate(self, attributes: Attributes) -> None:
        other, self.other = self.other, None
        if other is not None:
            await other.ok("PATCH", f"{CONFIG_MAPS}/a", {"data": {"z": "1"}}, content_type=MERGE)


def test_a_request_that_lost_a_race_is_decided_again() -> None:
    async def main() -> None:
        races = RacingPlugin()
        api = await start(extensions=Extensions(plugins=(races,)))
        try:
            await api.ok("POST", CONFIG_MAPS, config_map("a", x="1"))
            races.other = replace(api, user=User("other", ("system:masters",)))
            patch = {"data": {"x": "2"}}
            done = await replace(api, user=ALICE).ok("PATCH", f"{CONFIG_MAPS}/a", patch, content_type=MERGE)
            assert done["data"] == {"x": "2", "z": "1"}
            assert [seen.step for seen in races.calls] == ["admit", "admit"]
        finally:
            await api.server.stop()

    asyncio.run(main())


@with_plugin
async def test_nothing_can_be_created_in_a_terminating_namespace(api: Api, plugin: RecordingPlugin) -> None:
    namespace = "/api/v1/namespaces/going"
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "going"}})
    await api.ok("POST", f"{namespace}/serviceaccounts", {"metadata": {"name": "default"}})
    await api.ok("POST", f"{namespace}/pods", pod("a"))
    await api.ok("DELETE", namespace)
    for path, body in (("configmaps", config_map("b")), ("pods/a/binding", NODE), ("pods/a/eviction", {})):
        error = await api.error("POST", f"{namespace}/{path}", body)
        assert (error.code, error.details["causes"][0]["reason"]) == (403, "NamespaceTerminating"), path
    await api.ok("DELETE", f"{namespace}/pods/a")
    assert (await api.error("POST", "/api/v1/namespaces/none/configmaps", config_map("b"))).code == 404

"""The contract of `fairlead.runtime.client.Client`, run over the fake, and over the API server with and without a wire.

What the fake leaves out on purpose is not here: defaults, checks of fields, allocation, namespaces that do not exist.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from fairlead.api.apps.deployment.kind import DEPLOYMENT
from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.core.namespace.kind import NAMESPACE, Namespace
from fairlead.api.core.node.kind import NODE, Node
from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.spec import PodSpec
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.clock import RealClock
from fairlead.base.instant import Instant, render_time
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.wiring import pki
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import PatchType, WatchEvent
from fairlead.runtime.streams import closing
from tests.contract import clients
from tests.contract.clients import Setup
from tests.controllers.factories import deployment

Open = Callable[[], AbstractAsyncContextManager[Setup]]
Story = Callable[[Setup], Awaitable[None]]
JSON: PatchType = "application/json-patch+json"
STRATEGIC: PatchType = "application/strategic-merge-patch+json"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    config, clock = ClusterConfig("test"), RealClock()
    pki.make(pki.missing(config, folder, clock=clock), folder, clock=clock)
    return folder


@pytest.fixture(params=["fake", "local", "https"])
def run(request: pytest.FixtureRequest) -> Callable[[Story], None]:
    """Runs a story over a fresh server."""
    if request.param == "https":
        folder = request.getfixturevalue("keys")
        return lambda story: asyncio.run(_run(lambda: clients.https(folder), story))
    return lambda story: asyncio.run(_run(clients.fake if request.param == "fake" else clients.local, story))


async def _run(open: Open, story: Story) -> None:
    async with open() as setup, asyncio.timeout(60):
        await story(setup)


def config_map(name: str = "a", namespace: str = "default", **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace=namespace), data=data)


def pod(name: str = "p") -> Pod:
    spec = PodSpec(containers=[Container(name="web", image="nginx")])
    return Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)


async def refused(call: Awaitable[object]) -> tuple[int, str, str]:
    with pytest.raises(StatusError) as caught:
        await call
    return caught.value.code, caught.value.reason, caught.value.message


async def following(events: AsyncIterator[WatchEvent[ConfigMap]], count: int) -> list[tuple[str, str, dict[str, str]]]:
    """Returns the next changes of a watch, without bookmarks."""
    found: list[tuple[str, str, dict[str, str]]] = []
    while len(found) < count:
        event = await anext(events)
        if event.type != "BOOKMARK":
            found.append((event.type, event.object.metadata.name, event.object.data))
    return found


def test_a_create_returns_the_object_with_the_servers_defaults(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        made = await at.client.create(CONFIG_MAP, config_map(k="v"))
        assert (made.kind, made.apiVersion, made.data) == ("ConfigMap", "v1", {"k": "v"})
        assert made.metadata.creationTimestamp == render_time(at.clock.now())
        assert made.metadata.uid
        assert int(made.metadata.resourceVersion) > 0
        found = await at.client.get(CONFIG_MAP, "a", "default")
        assert (found.kind, found.apiVersion) == ("ConfigMap", "v1")
        assert found.metadata == made.metadata

    run(story)


def test_a_name_is_generated_from_its_prefix(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        meta = ObjectMeta(generateName="web-", namespace="default")
        names = {(await at.client.create(CONFIG_MAP, ConfigMap(metadata=meta))).metadata.name for _ in range(5)}
        assert len(names) == 5
        assert {(name[:4], len(name)) for name in names} == {("web-", 9)}

    run(story)


def test_every_verb_on_a_missing_object_is_not_found(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        answer = (404, "NotFound", 'configmaps "a" not found')
        assert await refused(at.client.get(CONFIG_MAP, "a", "default")) == answer
        assert await refused(at.client.patch(CONFIG_MAP, "a", "default", patch={})) == answer
        assert await refused(at.client.delete(CONFIG_MAP, "a", "default")) == answer
        answer = (404, "NotFound", 'deployments.apps "web" not found')
        assert await refused(at.client.get(DEPLOYMENT, "web", "default")) == answer

    run(story)


def test_a_name_is_taken_once(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        await at.client.create(CONFIG_MAP, config_map())
        answer = (409, "AlreadyExists", 'configmaps "a" already exists')
        assert await refused(at.client.create(CONFIG_MAP, config_map())) == answer
        await at.client.create(CONFIG_MAP, config_map(namespace="kube-system"))

    run(story)


def test_a_list_is_sorted_and_selected_by_namespace_labels_and_fields(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        for namespace, name, labels in (
            ("kube-system", "a", {"app": "web"}), ("default", "c", {"app": "db"}), ("default", "b", {"app": "web"}),
        ):  # fmt: skip
            meta = ObjectMeta(name=name, namespace=namespace, labels={"test": "yes"} | labels)
            last = await at.client.create(CONFIG_MAP, ConfigMap(metadata=meta))

        async def names(namespace: str = "", labels: str = "test", fields: str = "") -> list[str]:
            found = await at.client.list(CONFIG_MAP, namespace, labels=labels, fields=fields)
            assert {(o.kind, o.apiVersion) for o in found.items} <= {("ConfigMap", "v1")}
            assert int(found.resource_version) >= int(last.metadata.resourceVersion)
            return [f"{o.metadata.namespace}/{o.metadata.name}" for o in found.items]

        assert await names() == ["default/b", "default/c", "kube-system/a"]
        assert await names("default") == ["default/b", "default/c"]
        assert await names(labels="test,app=web") == ["default/b", "kube-system/a"]
        assert await names("default", labels="app notin (web),test") == ["default/c"]
        assert await names(fields="metadata.name=a") == ["kube-system/a"]
        assert await names(fields="metadata.name!=a,metadata.namespace=default") == ["default/b", "default/c"]
        assert await names("default", labels="app=nothing") == []
        code, reason, _ = await refused(at.client.list(CONFIG_MAP, fields="data.x=y"))
        assert (code, reason) == (400, "BadRequest")

    run(story)


def test_an_update_over_a_newer_version_conflicts_and_one_without_version_does_not(
    run: Callable[[Story], None],
) -> None:
    async def story(at: Setup) -> None:
        old = await at.client.create(CONFIG_MAP, config_map(k="1"))
        new = await at.client.create(CONFIG_MAP, config_map("b"))
        old.data = {"k": "2"}
        changed = await at.client.update(CONFIG_MAP, old)
        assert int(changed.metadata.resourceVersion) > int(new.metadata.resourceVersion)
        code, reason, message = await refused(at.client.update(CONFIG_MAP, old))
        assert (code, reason) == (409, "Conflict")
        assert message.startswith('Operation cannot be fulfilled on configmaps "a": the object has been modified;')
        assert (await at.client.update(CONFIG_MAP, config_map(k="3"))).data == {"k": "3"}

    run(story)


def test_an_update_keeps_what_the_server_gave_and_one_without_a_change_writes_nothing(
    run: Callable[[Story], None],
) -> None:
    async def story(at: Setup) -> None:
        made = await at.client.create(CONFIG_MAP, config_map(k="1"))
        at.clock.advance(10)
        same = await at.client.update(CONFIG_MAP, config_map(k="1"))
        assert same.metadata.resourceVersion == made.metadata.resourceVersion
        changed = await at.client.update(CONFIG_MAP, config_map(k="2"))
        meta = changed.metadata
        assert (meta.uid, meta.creationTimestamp) == (made.metadata.uid, made.metadata.creationTimestamp)
        assert int(meta.resourceVersion) > int(made.metadata.resourceVersion)

    run(story)


def test_status_is_written_apart_from_the_rest_and_does_not_count_as_a_generation(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        made = await at.client.create(DEPLOYMENT, deployment(replicas=1))
        assert made.metadata.generation == 1
        made.spec.replicas, made.status.replicas = 3, 7
        updated = await at.client.update(DEPLOYMENT, made, subresource="status")
        assert (updated.spec.replicas, updated.status.replicas, updated.metadata.generation) == (1, 7, 1)
        updated.spec.replicas, updated.status.replicas = 3, 8
        updated = await at.client.update(DEPLOYMENT, updated)
        assert (updated.spec.replicas, updated.status.replicas, updated.metadata.generation) == (3, 7, 2)
        patch = {"spec": {"replicas": 9}, "status": {"replicas": 9}}
        patched = await at.client.patch(DEPLOYMENT, "web", "default", patch=patch, subresource="status")
        assert (patched.spec.replicas, patched.status.replicas, patched.metadata.generation) == (3, 9, 2)

    run(story)


def test_each_form_of_patch_changes_what_it_names(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        await at.client.create(CONFIG_MAP, config_map(a="1", b="2"))
        merged = await at.client.patch(CONFIG_MAP, "a", "default", patch={"data": {"a": None, "c": "3"}})
        assert merged.data == {"b": "2", "c": "3"}
        operations = [{"op": "test", "path": "/data/b", "value": "2"}, {"op": "remove", "path": "/data/b"}]
        assert (await at.client.patch(CONFIG_MAP, "a", "default", patch=operations, type=JSON)).data == {"c": "3"}
        await at.client.create(POD, pod())
        patch = {"spec": {"containers": [{"name": "web", "image": "nginx:2"}]}}
        patched = await at.client.patch(POD, "p", "default", patch=patch, type=STRATEGIC)
        assert [(c.name, c.image) for c in patched.spec.containers] == [("web", "nginx:2")]
        code, _, _ = await refused(at.client.patch(CONFIG_MAP, "a", "default", patch=operations, type=JSON))
        assert code == 422

    run(story)


def test_a_patch_that_names_an_old_version_or_another_object_conflicts(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        old = await at.client.create(CONFIG_MAP, config_map())
        meta = {"metadata": {"resourceVersion": old.metadata.resourceVersion}}
        await at.client.patch(CONFIG_MAP, "a", "default", patch=meta | {"data": {"k": "1"}})
        answer = await refused(at.client.patch(CONFIG_MAP, "a", "default", patch=meta | {"data": {"k": "2"}}))
        assert answer[:2] == (409, "Conflict")
        other = {"metadata": {"uid": "other"}, "data": {"k": "3"}}
        assert (await refused(at.client.patch(CONFIG_MAP, "a", "default", patch=other)))[:2] == (409, "Conflict")
        assert (await at.client.get(CONFIG_MAP, "a", "default")).data == {"k": "1"}

    run(story)


def test_an_object_is_deleted_only_if_it_is_the_one_that_was_meant(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        made = await at.client.create(CONFIG_MAP, config_map())
        assert await refused(at.client.delete(CONFIG_MAP, "a", "default", uid="other")) == (
            409,
            "Conflict",
            'Operation cannot be fulfilled on configmaps "a": Precondition failed: UID in precondition: other, '
            f"UID in object meta: {made.metadata.uid}",
        )
        await at.client.delete(CONFIG_MAP, "a", "default", uid=made.metadata.uid)
        assert (await refused(at.client.get(CONFIG_MAP, "a", "default")))[0] == 404

    run(story)


def test_a_finalizer_keeps_a_deleted_object_until_it_is_removed(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        made = config_map()
        made.metadata.finalizers = ["example.org/guard"]
        await at.client.create(CONFIG_MAP, made)
        await at.client.delete(CONFIG_MAP, "a", "default")
        stamp = render_time(at.clock.now())
        at.clock.advance(5)
        await at.client.delete(CONFIG_MAP, "a", "default")
        kept = await at.client.get(CONFIG_MAP, "a", "default")
        assert (kept.metadata.deletionTimestamp, kept.metadata.deletionGracePeriodSeconds) == (stamp, 0)
        kept.metadata.finalizers = []
        await at.client.update(CONFIG_MAP, kept)
        assert (await refused(at.client.get(CONFIG_MAP, "a", "default")))[0] == 404

    run(story)


@pytest.mark.parametrize(("propagation", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
def test_the_propagation_policy_is_stored_as_a_finalizer(
    run: Callable[[Story], None], propagation: str, finalizer: str
) -> None:
    async def story(at: Setup) -> None:
        await at.client.create(CONFIG_MAP, config_map())
        await at.client.delete(CONFIG_MAP, "a", "default", propagation=propagation)
        kept = await at.client.get(CONFIG_MAP, "a", "default")
        assert kept.metadata.finalizers == [finalizer]
        assert kept.metadata.deletionTimestamp

    run(story)


def test_a_pod_on_a_node_is_removed_when_its_node_deletes_it_within_the_grace_period(
    run: Callable[[Story], None],
) -> None:
    async def story(at: Setup) -> None:
        for name in ("p", "q"):
            await at.client.create(POD, pod(name))
        target = json.dumps({"target": {"kind": "Node", "name": "node1"}}).encode()
        await at.client.raw("POST", POD.path("default", "p", "binding"), body=target)
        await at.client.delete(POD, "q", "default", grace_period_seconds=20)
        assert (await refused(at.client.get(POD, "q", "default")))[0] == 404
        await at.client.delete(POD, "p", "default", grace_period_seconds=20)
        meta = (await at.client.get(POD, "p", "default")).metadata
        end = Instant(at.clock.now() + 20)
        assert (meta.deletionGracePeriodSeconds, meta.deletionTimestamp) == (20, render_time(end))
        await at.client.delete(POD, "p", "default", grace_period_seconds=0)
        assert (await refused(at.client.get(POD, "p", "default")))[0] == 404

    run(story)


def test_a_deleted_pod_keeps_its_grace_period_if_its_finalizer_goes_first(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        made = pod()
        made.metadata.finalizers = ["example.org/guard"]
        await at.client.create(POD, made)
        target = json.dumps({"target": {"kind": "Node", "name": "node1"}}).encode()
        await at.client.raw("POST", POD.path("default", "p", "binding"), body=target)
        await at.client.delete(POD, "p", "default", grace_period_seconds=20)
        await at.client.patch(POD, "p", "default", patch={"metadata": {"finalizers": None}})
        assert (await at.client.get(POD, "p", "default")).metadata.deletionGracePeriodSeconds == 20
        await at.client.delete(POD, "p", "default", grace_period_seconds=0)
        assert (await refused(at.client.get(POD, "p", "default")))[0] == 404

    run(story)


def test_a_pod_is_bound_to_a_node_once(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        await at.client.create(POD, pod())
        body = json.dumps({"target": {"kind": "Node", "name": "node1"}}).encode()
        await at.client.raw("POST", POD.path("default", "p", "binding"), body=body)
        bound = await at.client.get(POD, "p", "default")
        assert bound.spec.nodeName == "node1"
        assert ("PodScheduled", "True") in {(c.type, c.status) for c in bound.status.conditions}
        found = await at.client.list(POD, fields="spec.nodeName=node1")
        assert [p.metadata.name for p in found.items] == ["p"]
        assert (await refused(at.client.raw("POST", POD.path("default", "p", "binding"), body=body)))[0] == 409

    run(story)


def test_a_terminating_namespace_rejects_new_objects_and_is_deleted_once_finalized(
    run: Callable[[Story], None],
) -> None:
    async def story(at: Setup) -> None:
        made = Namespace(metadata=ObjectMeta(name="x"))
        made.spec.finalizers = ["kubernetes"]
        await at.client.create(NAMESPACE, made)
        await at.client.delete(NAMESPACE, "x")
        ending = await at.client.get(NAMESPACE, "x")
        assert (ending.status.phase, ending.spec.finalizers) == ("Terminating", ["kubernetes"])
        code, reason, message = await refused(at.client.create(CONFIG_MAP, config_map(namespace="x")))
        assert (code, reason) == (403, "Forbidden")
        assert message.startswith('configmaps "a" is forbidden: unable to create new content in namespace x because')
        body = json.dumps({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "x"}, "spec": {}}).encode()
        await at.client.raw("PUT", NAMESPACE.path("", "x", "finalize"), body=body)
        assert (await refused(at.client.get(NAMESPACE, "x")))[0] == 404

    run(story)


def test_objects_of_no_namespace_are_found_by_their_name(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        await at.client.create(NODE, Node(metadata=ObjectMeta(name="node1", labels={"zone": "a"})))
        status = {"addresses": [{"type": "InternalIP", "address": "172.30.0.11"}]}
        await at.client.patch(NODE, "node1", patch={"status": status}, subresource="status")
        assert [n.status.addresses[0].address for n in (await at.client.list(NODE, labels="zone=a")).items] == [
            "172.30.0.11"
        ]

    run(story)


def test_a_collection_is_listed_and_deleted_by_its_path(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        for name in ("a", "b"):
            await at.client.create(CONFIG_MAP, config_map(name))
        await at.client.create(CONFIG_MAP, config_map("c", "kube-system"))
        tree = json.loads(await at.client.raw("GET", CONFIG_MAP.path("default"), query={"limit": "500"}))
        assert [item["metadata"]["name"] for item in tree["items"]] == ["a", "b"]
        await at.client.raw("DELETE", CONFIG_MAP.path("default"))
        assert [o.metadata.name for o in (await at.client.list(CONFIG_MAP)).items] == ["c"]
        assert (await refused(at.client.raw("GET", "/api/v1/namespaces/default/nothings")))[:2] == (404, "NotFound")

    run(story)


def test_a_watch_tells_of_each_change_after_its_version_in_order(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        await at.client.create(CONFIG_MAP, config_map("before"))
        version = (await at.client.list(CONFIG_MAP)).resource_version
        await at.client.create(CONFIG_MAP, config_map(k="1"))
        async with closing(at.client.watch(CONFIG_MAP, "default", resource_version=version)) as events:
            assert await following(events, 1) == [("ADDED", "a", {"k": "1"})]
            await at.client.create(CONFIG_MAP, config_map("elsewhere", "kube-system"))
            await at.client.update(CONFIG_MAP, config_map(k="2"))
            await at.client.delete(CONFIG_MAP, "a", "default")
            assert await following(events, 2) == [("MODIFIED", "a", {"k": "2"}), ("DELETED", "a", {"k": "2"})]

    run(story)


def test_a_watch_without_a_version_begins_with_the_objects_that_are_there(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        await at.client.create(CONFIG_MAP, config_map("a", k="1"))
        await at.client.update(CONFIG_MAP, config_map("a", k="2"))
        await at.client.create(CONFIG_MAP, config_map("gone"))
        await at.client.delete(CONFIG_MAP, "gone", "default")
        for version in ("", "0"):
            async with closing(at.client.watch(CONFIG_MAP, "default", resource_version=version)) as events:
                assert await following(events, 1) == [("ADDED", "a", {"k": "2"})]
                await at.client.create(CONFIG_MAP, config_map(f"b{version}"))
                assert await following(events, 1 if not version else 2) == [
                    *([] if not version else [("ADDED", "b", {})]),
                    ("ADDED", f"b{version}", {}),
                ]

    run(story)


def test_an_object_that_enters_or_leaves_the_selection_is_added_or_deleted_for_a_watch(
    run: Callable[[Story], None],
) -> None:
    async def story(at: Setup) -> None:
        version = (await at.client.create(CONFIG_MAP, config_map("other"))).metadata.resourceVersion
        watch = at.client.watch(CONFIG_MAP, "default", labels="app=web", resource_version=version)
        async with closing(watch) as events:
            await at.client.create(CONFIG_MAP, config_map(k="1"))
            for labels in ({"app": "web"}, {"app": "web", "x": "y"}, {"app": None}):
                await at.client.patch(CONFIG_MAP, "a", "default", patch={"metadata": {"labels": labels}})
            await at.client.delete(CONFIG_MAP, "a", "default")
            labelled = config_map("b")
            labelled.metadata.labels = {"app": "web"}
            await at.client.create(CONFIG_MAP, labelled)
            assert [event[:2] for event in await following(events, 4)] == [
                ("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "b"),
            ]  # fmt: skip

    run(story)


def test_a_version_from_before_what_the_server_remembers_is_expired(run: Callable[[Story], None]) -> None:
    async def story(at: Setup) -> None:
        version = (await at.client.create(CONFIG_MAP, config_map("a"))).metadata.resourceVersion
        await at.client.create(CONFIG_MAP, config_map("b"))
        await at.restart()
        async with closing(at.client.watch(CONFIG_MAP, resource_version=version)) as events:
            code, reason, message = await refused(anext(events))
        assert (code, reason) == (410, "Expired")
        assert message.startswith(f"too old resource version: {version} (")
        assert [o.metadata.name for o in (await at.client.list(CONFIG_MAP, "default")).items][:2] == ["a", "b"]

    run(story)


@pytest.mark.parametrize("run", ["fake", "https"], indirect=True)
def test_a_server_that_is_gone_is_a_connection_error_for_requests_and_for_open_watches(
    run: Callable[[Story], None],
) -> None:
    async def story(at: Setup) -> None:
        version = (await at.client.create(CONFIG_MAP, config_map())).metadata.resourceVersion
        async with closing(at.client.watch(CONFIG_MAP, "default", resource_version=version)) as events:
            await at.client.create(CONFIG_MAP, config_map("b"))
            assert await following(events, 1) == [("ADDED", "b", {})]
            await at.stop()
            with pytest.raises((ConnectionError, StopAsyncIteration)):
                await anext(events)
        with pytest.raises(ConnectionError):
            await at.client.get(CONFIG_MAP, "a", "default")

    run(story)

"""Stories of Deployments over the fake API: rollouts, scaling, history, deletion."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from fairlead.api.apps.deployment.kind import DEPLOYMENT
from fairlead.api.apps.replicaset.kind import REPLICA_SET
from fairlead.api.core.endpoints.kind import ENDPOINTS
from fairlead.api.core.pod.kind import POD
from fairlead.api.core.service.kind import SERVICE
from tests.controllers.factories import deployment, service
from tests.controllers.test_world import events, only_slice, set_image
from tests.controllers.world import World, in_world


async def condition(world: World, type: str) -> tuple[str, str, str]:
    found = (await world.deployment()).status.conditions
    return next((c.status, c.reason, c.message) for c in found if c.type == type)


def test_a_deployment_becomes_ready_pods_one_on_each_node_behind_its_service() -> None:
    async def story(world: World) -> None:
        await world.client.create(SERVICE, service())
        await world.client.create(DEPLOYMENT, deployment())
        await asyncio.sleep(2)
        pods = await world.pods(app="web")
        assert Counter(p.spec.nodeName for p in pods) == {"node1": 1, "node2": 1, "node3": 1}
        (rs,) = await world.sets()
        d = await world.deployment()
        assert (d.status.replicas, d.status.availableReplicas, d.status.updatedReplicas) == (3, 3, 3)
        assert d.metadata.annotations["deployment.kubernetes.io/revision"] == "1"
        assert rs.metadata.annotations["deployment.kubernetes.io/desired-replicas"] == "3"
        assert rs.metadata.annotations["deployment.kubernetes.io/max-replicas"] == "4"
        name = rs.metadata.name
        assert await condition(world, "Progressing") == (
            "True",
            "NewReplicaSetAvailable",
            f'ReplicaSet "{name}" has successfully progressed.',
        )
        assert (await condition(world, "Available"))[1] == "MinimumReplicasAvailable"
        assert await events(world, "ScalingReplicaSet") == [f"Scaled up replica set {name} from 0 to 3"]
        assert sorted(await events(world, "SuccessfulCreate")) == sorted(
            f"Created pod: {p.metadata.name}" for p in pods
        )
        assert sorted(await events(world, "Scheduled")) == sorted(
            f"Successfully assigned default/{p.metadata.name} to {p.spec.nodeName}" for p in pods
        )
        ips = sorted(p.status.podIP for p in pods)
        found = await only_slice(world)
        assert sorted(e.addresses[0] for e in found.endpoints) == ips
        endpoints = await world.client.get(ENDPOINTS, "web", "default")
        assert [a.ip for a in endpoints.subsets[0].addresses] == ips

    in_world(story)


def test_scaling_goes_both_ways_and_a_deleted_pod_is_replaced() -> None:
    async def story(world: World) -> None:
        await world.client.create(DEPLOYMENT, deployment())
        for replicas in (5, 2):
            await asyncio.sleep(1)
            await world.client.patch(DEPLOYMENT, "web", "default", patch={"spec": {"replicas": replicas}})
            await asyncio.sleep(1)
            assert len(await world.pods()) == replicas
            assert (await world.deployment()).status.availableReplicas == replicas
        victim = (await world.pods())[0]
        await world.client.delete(POD, victim.metadata.name, "default")
        await asyncio.sleep(1)
        survivors = await world.pods()
        assert len(survivors) == 2
        assert victim.metadata.uid not in {p.metadata.uid for p in survivors}

    in_world(story)


def test_a_rolling_update_keeps_the_bounds_and_undo_brings_the_old_set_back() -> None:
    async def story(world: World) -> None:
        await world.client.create(DEPLOYMENT, deployment(replicas=10, surge=2, unavailable=1))
        await asyncio.sleep(2)
        seen: list[tuple[int, int]] = []

        def count(*_: object) -> None:
            active = [p for p in world.pods_seen.items.values() if not p.metadata.deletionTimestamp]
            ready = [p for p in active if any(c.type == "Ready" and c.status == "True" for c in p.status.conditions)]
            seen.append((len(active), len(ready)))

        world.pods_seen.add_handler(count)
        seen.clear()
        await set_image(world, "nginx:1.15")
        await asyncio.sleep(5)
        assert max(total for total, _ in seen) <= 12
        assert min(ready for _, ready in seen) >= 9
        first, second = sorted(
            await world.sets(), key=lambda rs: rs.metadata.annotations["deployment.kubernetes.io/revision"]
        )
        assert (first.spec.replicas, second.spec.replicas) == (0, 10)
        assert (await world.deployment()).metadata.generation == 2, "the controller's annotation is no change of it"
        assert (await world.deployment()).metadata.annotations["deployment.kubernetes.io/revision"] == "2"
        await set_image(world, "nginx:1.14")
        await asyncio.sleep(5)
        again = await world.client.get(REPLICA_SET, first.metadata.name, "default")
        assert again.spec.replicas == 10
        assert again.metadata.annotations["deployment.kubernetes.io/revision"] == "3"
        assert again.metadata.annotations["deployment.kubernetes.io/revision-history"] == "1"
        assert len(await world.sets()) == 2

    in_world(story)


def test_recreate_never_runs_old_and_new_pods_together() -> None:
    async def story(world: World) -> None:
        await world.client.create(DEPLOYMENT, deployment(strategy="Recreate"))
        await asyncio.sleep(1)
        images: set[frozenset[str]] = set()
        world.pods_seen.add_handler(
            lambda *_: images.add(frozenset(p.spec.containers[0].image for p in world.pods_seen.items.values()))
        )
        await set_image(world, "nginx:1.15")
        await asyncio.sleep(2)
        assert {p.spec.containers[0].image for p in await world.pods()} == {"nginx:1.15"}
        assert len(await world.pods()) == 3
        assert max(map(len, images)) == 1

    in_world(story)


def test_a_stuck_rollout_runs_into_its_deadline_and_keeps_serving() -> None:
    async def story(world: World) -> None:
        await world.client.create(DEPLOYMENT, deployment(replicas=4))
        await asyncio.sleep(1)
        world.broken_images.add("nginx:none")
        await set_image(world, "nginx:none")
        await asyncio.sleep(500)
        assert (await condition(world, "Progressing"))[1] == "ReplicaSetUpdated"
        await asyncio.sleep(200)
        status, reason, message = await condition(world, "Progressing")
        assert (status, reason) == ("False", "ProgressDeadlineExceeded")
        assert message.endswith("has timed out progressing.")
        assert (await world.deployment()).status.availableReplicas == 3

    in_world(story)


@pytest.mark.slow
def test_a_paused_deployment_takes_a_template_only_when_resumed() -> None:
    async def story(world: World) -> None:
        await world.client.create(DEPLOYMENT, deployment())
        await asyncio.sleep(1)
        await world.client.patch(DEPLOYMENT, "web", "default", patch={"spec": {"paused": True}})
        await set_image(world, "nginx:1.15")
        await world.client.patch(DEPLOYMENT, "web", "default", patch={"spec": {"replicas": 5}})
        await asyncio.sleep(5000)
        assert Counter(p.spec.containers[0].image for p in await world.pods()) == {"nginx:1.14": 5}
        assert (await condition(world, "Progressing"))[:2] == ("Unknown", "DeploymentPaused")
        await world.client.patch(DEPLOYMENT, "web", "default", patch={"spec": {"paused": None}})
        await asyncio.sleep(3)
        assert Counter(p.spec.containers[0].image for p in await world.pods()) == {"nginx:1.15": 5}
        assert (await condition(world, "Progressing"))[1] == "NewReplicaSetAvailable"

    in_world(story)


def test_history_is_kept_only_as_long_as_asked() -> None:
    async def story(world: World) -> None:
        await world.client.create(DEPLOYMENT, deployment(revisionHistoryLimit=2))
        for number in range(15, 20):
            await asyncio.sleep(2)
            await set_image(world, f"nginx:1.{number}")
        await asyncio.sleep(2)
        revisions = [rs.metadata.annotations["deployment.kubernetes.io/revision"] for rs in await world.sets()]
        assert sorted(revisions) == ["4", "5", "6"]

    in_world(story)


def test_deleting_a_deployment_takes_its_sets_and_pods_along() -> None:
    async def story(world: World) -> None:
        for propagation in ("Background", "Foreground"):
            await world.client.create(DEPLOYMENT, deployment())
            await asyncio.sleep(1)
            await world.client.delete(DEPLOYMENT, "web", "default", propagation=propagation)
            await asyncio.sleep(2)
            assert (await world.sets(), await world.pods()) == ([], [])
            assert (await world.client.list(DEPLOYMENT)).items == []

    in_world(story)


def test_orphaned_pods_live_on_and_a_new_set_takes_them_in() -> None:
    async def story(world: World) -> None:
        await world.client.create(DEPLOYMENT, deployment())
        await asyncio.sleep(1)
        before = {p.metadata.uid for p in await world.pods()}
        await world.client.delete(DEPLOYMENT, "web", "default", propagation="Orphan")
        await asyncio.sleep(1)
        (rs,) = await world.sets()
        assert rs.metadata.ownerReferences == []
        await world.client.create(DEPLOYMENT, deployment())
        await asyncio.sleep(1)
        (rs,) = await world.sets()
        assert rs.metadata.ownerReferences[0].kind == "Deployment"
        assert {p.metadata.uid for p in await world.pods()} == before

    in_world(story)

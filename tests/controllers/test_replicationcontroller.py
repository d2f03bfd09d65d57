from __future__ import annotations

import asyncio

from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.replicationcontroller.kind import (
    REPLICATION_CONTROLLER,
    ReplicationController,
    ReplicationControllerSpec,
)
from fairlead.api.meta.types import ObjectMeta
from fairlead.controllers.workloads.replicationcontroller.plan import reconcile
from tests.controllers.applying import applied
from tests.controllers.factories import APP, NOW, pod, template
from tests.controllers.world import World, in_world


def replication_controller(replicas: int = 3) -> ReplicationController:
    meta = ObjectMeta(name="web", namespace="default", uid="uid-web", generation=1)
    spec = ReplicationControllerSpec(replicas=replicas, selector=APP, template=template())
    return ReplicationController(kind="ReplicationController", apiVersion="v1", metadata=meta, spec=spec)


def test_pods_have_an_owner_reference_and_a_second_reconcile_does_nothing() -> None:
    rc = replication_controller()
    plan = reconcile(rc, [], [], failure=None, now=NOW)
    pods = applied(plan, [], Pod)
    owner = pods[0].metadata.ownerReferences[0]
    assert len(pods) == 3
    assert (owner.apiVersion, owner.kind, owner.uid, owner.controller) == (
        "v1",
        "ReplicationController",
        "uid-web",
        True,
    )
    done = plan.create[0].done
    assert done is not None
    assert (done.about.kind, done.about.apiVersion) == ("ReplicationController", "v1")
    seen = reconcile(rc, pods, pods, failure=None, now=NOW)
    (rc,) = applied(seen, [rc], ReplicationController)
    assert (rc.status.replicas, rc.status.fullyLabeledReplicas, rc.status.observedGeneration) == (3, 3, 1)
    assert not reconcile(rc, pods, pods, failure=None, now=NOW)


def test_a_replication_controller_keeps_its_number_of_pods_and_adopts_one_that_fits() -> None:
    async def story(world: World) -> None:
        orphan = pod("orphan", ip="")
        orphan.spec.nodeName = orphan.metadata.resourceVersion = ""
        await world.client.create(POD, orphan)
        await world.client.create(REPLICATION_CONTROLLER, replication_controller(2))
        await asyncio.sleep(2)
        assert len(await world.pods(app="web")) == 2
        status = (await world.client.get(REPLICATION_CONTROLLER, "web", "default")).status
        assert (status.replicas, status.readyReplicas, status.availableReplicas) == (2, 2, 2)
        await world.client.patch(REPLICATION_CONTROLLER, "web", "default", patch={"spec": {"replicas": 0}})
        await asyncio.sleep(2)
        assert await world.pods(app="web") == []
        found = [e for e in (await world.client.list(EVENT)).items if e.involvedObject.kind == "ReplicationController"]
        assert {e.reason for e in found} == {"SuccessfulCreate", "SuccessfulDelete"}

    in_world(story)

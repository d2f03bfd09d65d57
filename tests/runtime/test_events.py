from __future__ import annotations

import asyncio
import random

from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.pod.kind import Pod
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.base.tasks import Nursery
from fairlead.runtime.events import Recorder
from fairlead.runtime.fake import FakeClient, run_jumping


def pod(name: str = "web") -> Pod:
    meta = ObjectMeta(name=name, namespace="default", uid=f"uid-{name}", resourceVersion="7")
    return Pod(kind="Pod", apiVersion="v1", metadata=meta)


async def recorded(*happenings: tuple[Pod, str], outage: bool = False) -> FakeClient:
    clock = FakeClock()
    client = FakeClient(clock=clock, ids=RandomIds(random.Random(1)))
    recorder = Recorder(client, component="test", clock=clock)
    client.down = outage
    async with Nursery() as nursery:
        nursery.spawn(recorder.run())
        for about, message in happenings:
            recorder.event(about, "Warning", "BackOff", message)
        await asyncio.sleep(0.1)
        client.down = False
        await asyncio.sleep(10)
    return client


def test_the_same_happening_counts_up_one_event() -> None:
    async def story() -> None:
        client = await recorded((pod(), "x"), (pod(), "x"), (pod(), "y"), (pod("db"), "x"))
        events = (await client.list(EVENT)).items
        assert sorted((e.involvedObject.name, e.message, e.count) for e in events) == [
            ("db", "x", 1),
            ("web", "x", 2),
            ("web", "y", 1),
        ]
        assert all(e.metadata.name.startswith(e.involvedObject.name + ".") for e in events)
        assert {(e.source.component, e.type, e.involvedObject.kind) for e in events} == {("test", "Warning", "Pod")}

    run_jumping(story())


def test_one_object_cannot_flood_the_store() -> None:
    async def story() -> None:
        client = await recorded(*((pod(), f"message {i}") for i in range(100)))
        events = (await client.list(EVENT)).items
        assert sum(e.count for e in events) == 25

    run_jumping(story())


def test_from_the_tenth_message_on_similar_events_share_one_with_the_latest_message() -> None:
    async def story() -> None:
        client = await recorded(*((pod(), f"message {i}") for i in range(12)), (pod(), "message 3"), (pod("db"), "x"))
        counts = {(e.involvedObject.name, e.message): e.count for e in (await client.list(EVENT)).items}
        assert counts == {
            **{("web", f"message {i}"): 1 for i in range(9)},
            ("web", "message 3"): 2,
            ("web", "(combined from similar events): message 11"): 3,
            ("db", "x"): 1,
        }

    run_jumping(story())


def test_an_event_may_name_another_component_than_the_recorders() -> None:
    async def story() -> None:
        clock = FakeClock()
        client = FakeClient(clock=clock, ids=RandomIds(random.Random(1)))
        recorder = Recorder(client, component="node-controller", clock=clock)
        async with Nursery() as nursery:
            nursery.spawn(recorder.run())
            for component in ("taint-eviction-controller", ""):
                recorder.event(pod(), "Normal", "Evicted", "x", component=component)
            await asyncio.sleep(1)
        events = (await client.list(EVENT)).items
        expected = ["node-controller", "taint-eviction-controller"]
        assert sorted(e.source.component for e in events) == expected
        assert sorted(e.reportingComponent for e in events) == expected

    run_jumping(story())


def test_events_outlast_a_short_outage() -> None:
    async def story() -> None:
        client = await recorded((pod(), "x"), outage=True)
        assert len((await client.list(EVENT)).items) == 1

    run_jumping(story())

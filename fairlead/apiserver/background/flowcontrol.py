"""Maintains the flow schemas and priority levels of every cluster, and the condition Dangling of flow schemas.

Upstream's API server does the same (`ensurer`, `cfgMeal`), in addition to shaping traffic, which this server does not.
Nothing waits for these objects, so they are created after the server is ready; in a new cluster, as prepared text.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fairlead.api.flowcontrol.flowschema import FLOW_SCHEMA
from fairlead.api.flowcontrol.prioritylevelconfiguration import PRIORITY_LEVEL_CONFIGURATION
from fairlead.apiserver.model import internal
from fairlead.apiserver.registry.create import Creator
from fairlead.apiserver.registry.update import Candidate, Updater
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.cache import Entry, Event
from fairlead.apiserver.watchcache.resource import Resource, Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.clock import Clock
from fairlead.base.instant import render_time
from fairlead.machinery.values.quoting import go_quote
from fairlead.machinery.values.status import StatusError

DELAY_S = 1.0
"""Seconds after the start of the server, which has more urgent work then."""
_DANGLING = "Dangling"
_OPTIONS = WriteOptions(manager="api-priority-and-fairness-config-consumer-v1")


class FlowControl:
    """Creates and restores flow schemas and priority levels."""

    def __init__(self, resources: Resources, creator: Creator, updater: Updater, *, clock: Clock) -> None:
        self._schemas = resources.of(FLOW_SCHEMA)
        self._levels = resources.of(PRIORITY_LEVEL_CONFIGURATION)
        self._creator = creator
        self._updater = updater
        self._clock = clock
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Syncs after a delay and at each change of the objects. Runs until cancelled."""
        await asyncio.sleep(DELAY_S)
        self._schemas.cache.listeners[self] = self._on_change
        self._levels.cache.listeners[self] = self._on_change
        while True:
            self._wake.clear()
            await self.sync()
            await self._wake.wait()

    def _on_change(self, _: Event) -> None:
        self._wake.set()

    async def sync(self) -> None:
        """Creates missing objects, restores specs and updates conditions once. Raises StatusError."""
        from fairlead.apiserver.background.initialflow import are_initial

        if not self._schemas.cache and not self._levels.cache:
            await self._create_initial()
        elif not are_initial([*self._levels.cache.select(), *self._schemas.cache.select()]):
            await self.sync_each()

    async def _create_initial(self) -> None:
        """Creates the objects of a new cluster."""
        from fairlead.apiserver.background.initialflow import prepared

        resources = {resource.kind.kind: resource for resource in (self._schemas, self._levels)}
        for obj in prepared(render_time(self._clock.now())):
            await self._creator.insert_known(Target(resources[obj.kind]), obj)

    async def sync_each(self) -> None:
        """Does what `sync` does for objects of any state. Raises StatusError."""
        # These need the types of both kinds.
        from fairlead.api.flowcontrol.flowschema.bootstrap import flow_schemas
        from fairlead.api.flowcontrol.prioritylevelconfiguration.bootstrap import priority_levels

        for level in priority_levels():
            await self._ensure(self._levels, level)
        for schema in flow_schemas():
            await self._ensure(self._schemas, schema)
        for entry in self._schemas.cache.select():
            await self._set_condition(entry)

    async def _ensure(self, resource: Resource, desired: Any) -> None:
        """Creates the object; or restores its spec, if the annotation says so, and the annotation."""
        from fairlead.api.flowcontrol.restoring import restored

        name = desired.metadata.name
        entry = resource.cache.get(name)
        if entry is None:
            await self._creator.insert(Target(resource), desired, _OPTIONS, internal())
        elif restored(entry.decode(), desired) is not None:

            async def change(entry: Entry) -> Candidate:
                current = entry.decode()
                return Candidate(restored(current, desired) or current)

            await self._update(Target(resource, "", name), change)

    async def _set_condition(self, entry: Entry) -> None:
        """Sets Dangling to whether the schema's priority level is missing."""
        if _dangling(entry.decode(), self._levels) is None:
            return

        async def change(entry: Entry) -> Candidate:
            schema = entry.decode()
            condition = _dangling(schema, self._levels)
            if condition is not None:
                condition.lastTransitionTime = render_time(self._clock.now())
                others = [c for c in schema.status.conditions if c.type != _DANGLING]
                schema.status.conditions = [*others, condition]
            return Candidate(schema)

        await self._update(Target(self._schemas, "", entry.name, "status"), change)

    async def _update(self, target: Target, change: Any) -> None:
        """Applies a change; an object that has been deleted meanwhile is created by the next sync."""
        try:
            await self._updater.update(target, change, _OPTIONS, internal())
        except StatusError as error:
            if error.code != 404:
                raise


def _dangling(schema: Any, levels: Resource) -> Any:
    """Returns the condition that the schema must get, or None if it has it."""
    from fairlead.api.flowcontrol.flowschema.types import FlowSchemaCondition

    name = schema.spec.priorityLevelConfiguration.name
    found = levels.cache.get(name) is not None
    why = "and it exists" if found else "but there is no such object"
    desired = FlowSchemaCondition(
        type=_DANGLING,
        status="False" if found else "True",
        reason="Found" if found else "NotFound",
        message=f"This FlowSchema references the PriorityLevelConfiguration object named {go_quote(name)} {why}",
    )
    current = next((c for c in schema.status.conditions if c.type == _DANGLING), None)
    facts = (desired.status, desired.reason, desired.message)
    return None if current is not None and (current.status, current.reason, current.message) == facts else desired

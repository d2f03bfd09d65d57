"""The health of the components of the control plane, for ComponentStatus."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fairlead.api.core.componentstatus import COMPONENT_STATUS
from fairlead.api.meta.types import ObjectMeta
from fairlead.apiserver.model import HealthCheck
from fairlead.machinery.kinds.kind import Kind
from fairlead.store.model import Store, StoreError

if TYPE_CHECKING:
    from fairlead.api.core.componentstatus.kind import ComponentStatus

STORE = "etcd-0"
"""Upstream's name of the store, which programs look for."""
_LONGEST_S = 5.0
_SMALL = "/registry/namespaces/kube-system"


def store_check(store: Store) -> HealthCheck:
    """Returns a check that reads one object."""

    async def check() -> str:
        try:
            await store.get(_SMALL)
        except StoreError as error:
            return str(error)
        return ""

    return check


class ComponentStatusSource:
    """Checks the components at each request. Implements `Source`."""

    kind: Kind[Any] = COMPONENT_STATUS

    def __init__(self, checks: Mapping[str, HealthCheck]) -> None:
        self._checks = checks

    async def objects(self, namespace: str, name: str) -> list[Any]:
        names = [known for known in sorted(self._checks) if name in ("", known)]
        return list(await asyncio.gather(*(self._status(known) for known in names)))

    async def _status(self, name: str) -> ComponentStatus:
        from fairlead.api.core.componentstatus.kind import HEALTHY, ComponentCondition, ComponentStatus

        try:
            async with asyncio.timeout(_LONGEST_S):
                problem = await self._checks[name]()
        except TimeoutError:
            problem = f"no answer within {_LONGEST_S:g} s"
        if problem:
            condition = ComponentCondition(type=HEALTHY, status="False", message=problem)
        else:
            condition = ComponentCondition(type=HEALTHY, status="True", message="ok")
        return ComponentStatus(metadata=ObjectMeta(name=name), conditions=[condition])

"""The pool as users change it while the cluster runs: ConfigMap `kube-system/fairlead-loadbalancer`, key `pool`.
Pure.

A valid text comes into force at once; after an invalid one the previous pool stays in force. Without the ConfigMap,
or its key, the pool is the one that the cluster was started with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fairlead.api.core.configmap.kind import ConfigMap
from fairlead.base.codec import CodecError, Fault, Text, decode
from fairlead.base.dataclass import dataclass
from fairlead.loadbalancer.pool import Pool, parse_pool
from fairlead.runtime.plan import EventRecord

NAMESPACE, NAME, KEY = "kube-system", "fairlead-loadbalancer", "pool"

Problem = Callable[[Pool], str]
"""Returns what is wrong with a pool in this cluster; empty if nothing is."""


@dataclass(frozen=True, slots=True)
class _Data:
    """The keys of the ConfigMap. None: the pool that the cluster was started with."""

    pool: Annotated[Pool, Text(parse_pool)] | None = None


class PoolSetting:
    """The pool in force. `events`: events to record."""

    def __init__(self, default: Pool, problem: Problem) -> None:
        self.pool = default
        self.events: list[EventRecord] = []
        self._default = default
        self._problem = problem
        self._data: dict[str, str] = {}

    def update(self, new: ConfigMap | None) -> bool:
        """Applies the ConfigMap; None if it is deleted. Returns True if the pool has changed."""
        data = dict(new.data) if new is not None else {}
        if data == self._data:
            return False
        self._data = data
        before = self.pool
        try:
            pool = decode(_Data, data).pool
            if pool is not None and (trouble := self._problem(pool)):
                raise CodecError(Fault(KEY, trouble))
        except CodecError as error:
            assert new is not None
            self.events.append(EventRecord(new, "InvalidConfiguration", f"{error}; {before} stays in force", "Warning"))
            return False
        self.pool = pool or self._default
        return self.pool != before

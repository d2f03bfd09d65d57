"""The pool as users change it while the cluster runs: ConfigMap `kube-system/fairlead-loadbalancer`, key `pool`. Pure.

A text that is right comes into force at once; one that is wrong leaves the pool before it in force. Without the
ConfigMap, or its key, it is the pool that the cluster was started with.
"""

from __future__ import annotations

from collections.abc import Callable

from fairlead.api.core.configmap.kind import ConfigMap
from fairlead.loadbalancer.pool import BadPool, Pool, parse_pool
from fairlead.runtime.plan import Note

NAMESPACE, NAME, KEY = "kube-system", "fairlead-loadbalancer", "pool"

Problem = Callable[[Pool], str]
"""What is wrong with a pool in this cluster; empty where nothing is."""


class PoolSetting:
    """`pool` is the one in force; `notes` are to be told."""

    def __init__(self, default: Pool, problem: Problem) -> None:
        self.pool = default
        self.notes: list[Note] = []
        self._default = default
        self._problem = problem
        self._text: str | None = None

    def take(self, new: ConfigMap | None) -> bool:
        """Whether the pool is another one now."""
        text = new.data.get(KEY) if new is not None else None
        if text == self._text:
            return False
        self._text = text
        before = self.pool
        if new is None or text is None:
            self.pool = self._default
            return self.pool != before
        try:
            wanted = parse_pool(text)
            trouble = self._problem(wanted)
        except BadPool as error:
            wanted, trouble = before, str(error)
        if trouble:
            words = f"{KEY}: {trouble}; {before} stays in force"
            self.notes.append(Note(new, "InvalidConfiguration", words, "Warning"))
            return False
        self.pool = wanted
        return self.pool != before

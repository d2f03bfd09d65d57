"""The open watches of an engine in this process: one list, served in revision order."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.store.model import Change, Compacted, Watcher


class OpenWatch:
    """One watch. Use `Watches.open`."""

    __slots__ = ("_all", "_cancelled", "_prefix", "_watcher")

    def __init__(self, prefix: str, watcher: Watcher, all_: dict[OpenWatch, None]) -> None:
        self._prefix = prefix
        self._watcher = watcher
        self._all = all_
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True
        self._all.pop(self, None)

    def begin(self, past: Sequence[Change], revision: int) -> None:
        """Delivers the past, and from now on every change."""
        if not self._cancelled:
            self._all[self] = None
            self.deliver(past, revision)

    def deliver(self, changes: Sequence[Change], revision: int) -> None:
        prefix = self._prefix
        self._watcher.on_changes([c for c in changes if c.key.startswith(prefix)], revision)

    def lose(self, error: Compacted) -> None:
        if not self._cancelled:
            self.cancel()
            self._watcher.on_lost(error)


class Watches:
    """All open watches."""

    def __init__(self) -> None:
        self._all: dict[OpenWatch, None] = {}

    def open(self, prefix: str, watcher: Watcher) -> OpenWatch:
        """Returns a watch that waits for its past: call `begin` or `lose` next."""
        return OpenWatch(prefix, watcher, self._all)

    def deliver(self, changes: Sequence[Change], revision: int) -> None:
        """Passes committed changes on to every watch."""
        for watch in list(self._all):
            watch.deliver(changes, revision)

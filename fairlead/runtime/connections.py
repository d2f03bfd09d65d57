"""The open connections of a server, and the choice of those to close if there are too many.

What must stay true: a client that authenticates in time is served, however many connections others open. A new
connection is never refused because of unauthenticated ones: the oldest unauthenticated connection is closed instead.
Among authenticated connections, the oldest of the user with the most connections is closed, so that no user can lock
out another.
"""

from __future__ import annotations

from typing import Protocol

from fairlead.base.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The greatest numbers of connections that a server keeps open."""

    unauthenticated: int = 256
    authenticated: int = 8192

    def within(self, descriptors: int) -> Limits:
        """Returns limits that leave a quarter of the process's descriptors to other uses."""
        room = max(2, descriptors * 3 // 4)
        unauthenticated = min(self.unauthenticated, room // 2)
        return Limits(unauthenticated, min(self.authenticated, room - unauthenticated))


class Connection(Protocol):
    def abort(self) -> None:
        """Closes the connection at once."""
        ...


class Connections:
    """The open connections of one server, oldest first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._unauthenticated: dict[Connection, None] = {}
        self._users: dict[str, dict[Connection, None]] = {}
        self._user_of: dict[Connection, str] = {}

    def __len__(self) -> int:
        return len(self._unauthenticated) + len(self._user_of)

    def add(self, connection: Connection) -> None:
        """Counts a new connection, and closes an older one if there are too many."""
        self._unauthenticated[connection] = None
        while len(self._unauthenticated) > self._limits.unauthenticated:
            self._close(next(iter(self._unauthenticated)))

    def authenticated(self, connection: Connection, user: str) -> None:
        """Records the user of the connection."""
        if connection not in self._unauthenticated:
            return
        del self._unauthenticated[connection]
        self._user_of[connection] = user
        self._users.setdefault(user, {})[connection] = None
        while len(self._user_of) > self._limits.authenticated:
            busiest = max(self._users, key=lambda name: len(self._users[name]))
            self._close(next(iter(self._users[busiest])))

    def remove(self, connection: Connection) -> None:
        """Removes a connection that has ended."""
        self._unauthenticated.pop(connection, None)
        user = self._user_of.pop(connection, None)
        if user is not None:
            del self._users[user][connection]
            if not self._users[user]:
                del self._users[user]

    def close_oldest(self) -> None:
        """Closes the oldest unauthenticated connection, if any."""
        for oldest in list(self._unauthenticated)[:1]:
            self._close(oldest)

    def _close(self, connection: Connection) -> None:
        self.remove(connection)
        connection.abort()

"""The node that a user is. Source: upstream's `nodeidentifier`."""

from __future__ import annotations

from fairlead.apiserver.model import User

PREFIX = "system:node:"
GROUP = "system:nodes"


def node_of(user: User) -> str | None:
    """Returns the name of the node that the user is, possibly empty; None for any other user."""
    if not user.name.startswith(PREFIX) or GROUP not in user.groups:
        return None
    return user.name[len(PREFIX) :]

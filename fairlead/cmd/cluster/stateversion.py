"""The version of a cluster's folder, and the steps that bring an older folder to it.

`config.json` has the version as `state`. A program that changes the folder so that older programs cannot use it adds a
step here; additions that older programs ignore need none. A folder without a version is of version 0. The store has a
version for its layout besides.

What must stay true: a folder of a newer version is refused before anything in it is changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead import __version__

Tree = dict[str, Any]


class NewerState(Exception):
    """A newer release wrote the folder."""


def _before_roles(settings: Tree) -> None:
    """Keeps full rights in clusters that were made before there were roles: what runs there may rely on them."""
    settings.setdefault("authorization_mode", "AlwaysAllow")


STEPS: tuple[Callable[[Tree], None], ...] = (_before_roles,)
"""The step at index N brings the settings from version N to N + 1."""
STATE_VERSION = len(STEPS)


def upgrade(settings: Tree) -> Tree:
    """Returns the settings in the present version. Raises NewerState, ValueError."""
    version = settings.get("state", 0)
    if not isinstance(version, int) or version < 0:
        raise ValueError(f"invalid state version {version!r}")
    if version > STATE_VERSION:
        writer = settings.get("fairlead", "unknown")
        raise NewerState(
            f"written by a newer release, fairlead {writer} (state {version}; fairlead {__version__} knows "
            f"{STATE_VERSION})"
        )
    settings = dict(settings)
    for step in STEPS[version:]:
        step(settings)
    return settings


def stamp(settings: Tree) -> Tree:
    """Returns the settings with the present version, and that of the program for people."""
    return {"state": STATE_VERSION, "fairlead": __version__} | settings

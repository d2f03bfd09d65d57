"""How many descriptors a process may have open: the soft limit, within the hard one."""

from __future__ import annotations

import contextlib
import resource


def descriptor_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def set_descriptor_limit(soft: int) -> None:
    """Does nothing if the hard limit is lower."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def raise_descriptor_limit() -> None:
    """Raises the soft limit to the hard one."""
    set_descriptor_limit(resource.getrlimit(resource.RLIMIT_NOFILE)[1])

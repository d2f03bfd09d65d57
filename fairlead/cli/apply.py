"""Creates the objects of manifest files, and waits until a condition holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from fairlead.base.clock import Clock
from fairlead.cli.api import Api, ApiError, Tree


def read_manifests(folder: Path) -> Iterator[Tree]:
    """Yields every object of every YAML file, files in the order of their names."""
    import yaml

    for path in sorted(folder.glob("*.yaml")):
        with path.open(encoding="utf-8") as f:
            yield from (tree for tree in yaml.safe_load_all(f) if tree)


def create(api: Api, obj: Tree) -> Tree:
    created: Tree = api.call("POST", api.path_of(obj), obj)
    return created


def wait_for(condition: Callable[[], bool], *, clock: Clock, pause: Callable[[float], None], limit_s: float) -> bool:
    """Returns True once `condition` holds, or False after `limit_s`.

    Errors of the API server count as False: it may just be starting again.
    """
    deadline = clock.monotonic() + limit_s
    while clock.monotonic() < deadline:
        try:
            if condition():
                return True
        except (ApiError, OSError):
            pass
        pause(0.02)
    return False

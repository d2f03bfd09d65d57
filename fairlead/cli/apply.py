"""Creates the objects of manifest files, and waits for what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from fairlead.base.clock import Clock
from fairlead.cli.api import Api, ApiError, Tree


def read_manifests(folder: Path) -> Iterator[Tree]:
    """Every object of every YAML file, files in the order of their names."""
    import yaml

    for path in sorted(folder.glob("*.yaml")):
        with path.open(encoding="utf-8") as f:
            yield from (tree for tree in yaml.safe_load_all(f) if tree)


def create(api: Api, obj: Tree) -> Tree:
    found: Tree = api.call("POST", api.path_of(obj), obj)
    return found


def wait_for(question: Callable[[], bool], *, clock: Clock, pause: Callable[[float], None], limit_s: float) -> bool:
    """Asks until the answer is yes; False where that took too long. A server that is away is no answer."""
    deadline = clock.monotonic() + limit_s
    while clock.monotonic() < deadline:
        try:
            if question():
                return True
        except (ApiError, OSError):
            pass
        pause(0.02)
    return False

"""The forms that the texts of all checks share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.spec import PodSpec
from fairlead.base.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """A check that a Pod does not pass."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


def containers_of(spec: PodSpec) -> Iterator[Container]:
    """Yields the containers in upstream's order; ephemeral ones have the same fields."""
    yield from spec.initContainers
    yield from spec.containers
    yield from spec.ephemeralContainers


def quoted(items: Iterable[str]) -> str:
    return ", ".join(f'"{item}"' for item in items)


def plural(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


def named(names: Sequence[str]) -> str:
    """Returns containers by name: `containers "a", "b"`."""
    return f"{plural('container', 'containers', len(names))} {quoted(names)}"


def setters(pod: bool, names: Sequence[str]) -> str:
    """Returns the places that set something: the Pod, containers or both."""
    return " and ".join([*(["pod"] if pod else []), *([named(names)] if names else [])])

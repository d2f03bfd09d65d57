"""Counts the pods on each node that match a condition on their labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from fairlead.scheduler.cache.nodeinfo import NodeInfo
from fairlead.scheduler.cache.podinfo import LabelSet

Matches = Callable[[str, Mapping[str, str], bool], bool]
"""Called with the namespace and labels of pods, and whether these are terminating."""


def count_matching(nodes: Iterable[NodeInfo], matches: Matches) -> Iterator[tuple[NodeInfo, int]]:
    """Yields each node with the number of its matching pods. The condition is tried once for each set of labels."""
    known: dict[LabelSet, bool] = {}
    for node in nodes:
        total = 0
        for label_set, count in node.label_sets.items():
            match = known.get(label_set)
            if match is None:
                match = known[label_set] = matches(label_set[0], dict(label_set[1]), label_set[2])
            if match:
                total += count
        yield node, total

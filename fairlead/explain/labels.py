"""Finds the labels nearest to a selector, for "did you mean"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from fairlead.api.core.pod.types import Pod

_NEAR = 0.5
"""Smallest likeness, 0 to 1, at which labels are worth a suggestion."""


def nearest(selector: Mapping[str, str], pods: Sequence[Pod]) -> tuple[Pod, dict[str, str]] | None:
    """Returns the Pod whose labels are most like the selector, and the selector that would match the Pod."""
    best: tuple[float, Pod, dict[str, str]] | None = None
    for pod in pods:
        likeness, corrected = _compare(selector, pod.metadata.labels)
        if corrected and likeness >= _NEAR and (best is None or likeness > best[0]):
            best = likeness, pod, corrected
    return (best[1], best[2]) if best else None


def _compare(selector: Mapping[str, str], labels: Mapping[str, str]) -> tuple[float, dict[str, str]]:
    total, corrected = 0.0, {}
    for key, value in selector.items():
        near = max(labels, key=lambda name: _pair_likeness(key, value, name, labels[name]), default=None)
        if near is None:
            continue
        likeness = _pair_likeness(key, value, near, labels[near])
        total += likeness
        if likeness >= 1 / 2:
            corrected[near] = labels[near]
    return total / len(selector), corrected


def _pair_likeness(key: str, value: str, other_key: str, other_value: str) -> float:
    keys = 1.0 if key == other_key else like(key, other_key) * 0.9
    return 0.4 * keys + 0.6 * like(value, other_value)


def like(a: str, b: str) -> float:
    """Returns how alike two words are, 0 to 1, whatever their case."""
    return SequenceMatcher(None, a.lower(), b.lower()).ratio()

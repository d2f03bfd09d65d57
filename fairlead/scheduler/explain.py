"""The messages about pods that fit no node, in upstream's words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

NO_NODES = "no nodes available to schedule pods"
NO_HELP = "Preemption is not helpful for scheduling"


def counted(total: int, reasons: Iterable[str], *, absent: str = "", known: int = 0) -> str:
    """Returns `0/3 nodes are available: 1 ..., 2 ....`. `absent` is the reason of the nodes beyond the `known` ones."""
    counts = Counter(reasons)
    if absent and total > known:
        counts[absent] += total - known
    text = ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))
    return f"{available(total)} {text}."


def available(total: int) -> str:
    return f"0/{total} nodes are available:"


def with_preemption(message: str, preemption: str) -> str:
    """Returns the message, with what preemption could do."""
    return f"{message} preemption: {preemption}" if preemption else message


def not_helpful(total: int, reasons: Mapping[str, tuple[str, ...]]) -> str:
    """Returns why preemption does not help. `reasons` are those of the nodes that were tried, by name."""
    texts = (reason for one in reasons.values() for reason in one)
    return counted(total, texts, absent=NO_HELP, known=len(reasons))

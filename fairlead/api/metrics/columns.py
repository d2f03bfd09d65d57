"""Table columns of measured usage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.api.core.amounts import canonical_text, total
from fairlead.api.meta.types import Resources
from fairlead.machinery.kinds.kind import Column


def usage_columns(usages: Callable[[Any], list[Resources]]) -> tuple[Column[Any], ...]:
    """Returns the columns of the sum of several usages."""
    return (
        Column(
            "cpu",
            lambda found, _: canonical_text(f"{round(total(u.get('cpu', 0) for u in usages(found)) * 10**9)}n"),
            doc="Processor cores that were used on average.",
        ),
        Column(
            "memory",
            lambda found, _: f"{int(total(u.get('memory', 0) for u in usages(found))) // 1024}Ki",
            doc="Memory that is used at the time.",
        ),
        Column("window", lambda found, _: found.window, doc="Time over which the usage was measured."),
    )

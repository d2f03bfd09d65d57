"""One evaluation of a compiled expression: its variables and the cost that is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fairlead.cel.errors import CostExceededError


class Frame:
    """One evaluation: the values of variables and the cost that is left."""

    __slots__ = ("left", "variables")

    def __init__(self, variables: Mapping[str, Any], limit: int) -> None:
        self.variables = dict(variables)
        self.left = limit

    def charge(self, cost: int) -> None:
        self.left -= cost
        if self.left < 0:
            raise CostExceededError


Evaluate = Callable[[Frame], Any]
Invoke = Callable[[Frame, tuple[Any, ...]], Any]

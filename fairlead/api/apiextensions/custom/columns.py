"""Printer columns of custom resources (`additionalPrinterColumns`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from fairlead.api.apiextensions.custom.jsonpath import compile_path
from fairlead.api.apiextensions.customresourcedefinition.types import CustomResourceColumnDefinition
from fairlead.api.meta.columns import AGE, NAME
from fairlead.base.instant import Instant, parse_time, render_age
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.kinds.kind import CellValue, Column


def columns_of(declared: Sequence[CustomResourceColumnDefinition]) -> tuple[Column[Any], ...]:
    """Returns the columns: the name, then the declared ones, or the age if none is declared."""
    return (NAME, *map(_column, declared)) if declared else (NAME, AGE)


def _column(declared: CustomResourceColumnDefinition) -> Column[Any]:
    doc = declared.description or f"Custom resource definition column (in JSONPath format): {declared.jsonPath}"
    return Column(
        declared.name,
        _cell(compile_path(declared.jsonPath), declared.type),
        wide=declared.priority > 0,
        type=declared.type,
        format=declared.format,
        doc=doc,
    )


def _cell(find: Callable[[Any], Any], type: str) -> Callable[[Any, Instant], CellValue]:
    return lambda obj, now: _rendered(find(to_tree(obj)), type, now)


def _rendered(value: Any, type: str, now: Instant) -> Any:
    """Returns the cell of a value; None if the value is not of the column's type."""
    if value is None:
        return None
    match type:
        case "integer":
            return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        case "number":
            return value if isinstance(value, int | float) and not isinstance(value, bool) else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            return _age(value, now)
        case _:
            if isinstance(value, bool):
                return "true" if value else "false"
            return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _age(value: Any, now: Instant) -> str | None:
    try:
        return render_age(now - parse_time(value)) if isinstance(value, str) else None
    except ValueError:
        return "<invalid>"

"""Checks of numbers of pods that may also be percentages."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.meta.rules import not_negative
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, invalid


def amount_errors(amount: int | str, path: str) -> Iterator[FieldError]:
    """Yields errors of a number or percentage: negative, or in another form."""
    if isinstance(amount, int):
        yield from not_negative(amount, path)
    else:
        for text in names.percent(amount):
            yield invalid(path, amount, text)


def whole_errors(amount: int | str, path: str) -> Iterator[FieldError]:
    """Yields an error of a percentage above 100."""
    if isinstance(amount, str) and (number_of(amount) or 0) > 100:
        yield invalid(path, amount, "must not be greater than 100%")


def number_of(amount: int | str) -> int | None:
    """Returns the number, or the number of per cent; None for a text that is not a percentage."""
    if isinstance(amount, int):
        return amount
    return None if names.percent(amount) else int(amount[:-1])

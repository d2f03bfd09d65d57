"""Quantities inside objects: canonical text, comparison and sums."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

from fairlead.machinery.values.quantity import canonical, parse_quantity, rounded_up

Amount = str | int | float


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    try:
        return canonical(text)
    except ValueError:
        return text


@lru_cache(maxsize=4096)
def _canonical_milli(text: str) -> str:
    try:
        return rounded_up(text)
    except ValueError:
        return text


def canonicalize(amounts: dict[str, Amount]) -> None:
    """Replaces every amount by its canonical text, rounded up to thousandths as upstream does for resource lists.

    Invalid amounts stay unchanged; the checks report them.
    """
    for name, amount in amounts.items():
        amounts[name] = _canonical_milli(str(amount))


def canonical_text(amount: Amount) -> str:
    return _canonical(str(amount))


@lru_cache(maxsize=4096)
def value(text: str) -> Fraction:
    """Returns the amount, or 0 if the text is invalid."""
    try:
        return parse_quantity(text)
    except ValueError:
        return Fraction(0)


def total(amounts: Iterable[Amount]) -> Fraction:
    return sum((value(str(amount)) for amount in amounts), Fraction(0))

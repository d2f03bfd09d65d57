"""Resource quantities (`500m`, `1Gi`, `1e3`): parsing, arithmetic as fractions, upstream's canonical text.

All arithmetic is exact: a float would change `0.1`. Digits beyond a nano are rounded away from zero, as upstream does,
so that a positive quantity never becomes zero.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Literal

from fairlead.base.dataclass import dataclass

PATTERN = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
FORMAT_TEXT = f"quantities must match the regular expression '{PATTERN}'"
SUFFIX_TEXT = "unable to parse quantity's suffix"

Notation = Literal["decimal", "binary", "exponent"]

_SPLIT = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")
_EXPONENT = re.compile(r"[eE][-+]?[0-9]+")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL_NAME = {power: name for name, power in _DECIMAL.items()}
_BINARY_NAME = {power: name for name, power in _BINARY.items()}
_NANO = 10**9
_LARGEST = 2**63 - 1
# A longer exponent exceeds every possible quantity, and computing 10**(10**9) would hang the process.
_EXPONENT_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact value and the notation (decimal, binary or exponent) in which it was written."""

    value: Fraction
    notation: Notation

    def __str__(self) -> str:
        return render_quantity(self)


def parse(text: str) -> Quantity:
    """Reads a quantity with its notation. Raises ValueError with upstream's text."""
    match = _SPLIT.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise ValueError(FORMAT_TEXT)
    sign, whole, fraction, suffix = match[1], match[2], match[3] or "", match[4]
    scale, notation = _parse_suffix(suffix)
    value = Fraction(int(whole + fraction or "0"), 10 ** len(fraction)) * scale
    value = min(Fraction(math.ceil(value * _NANO), _NANO), Fraction(_LARGEST))
    return Quantity(-value if sign == "-" else value, notation)


def _parse_suffix(suffix: str) -> tuple[Fraction, Notation]:
    if suffix in _DECIMAL:
        return Fraction(10) ** _DECIMAL[suffix], "decimal"
    if suffix in _BINARY:
        return Fraction(1024 ** _BINARY[suffix]), "binary"
    if _EXPONENT.fullmatch(suffix) and len(suffix) <= _EXPONENT_DIGITS:
        return Fraction(10) ** int(suffix[1:]), "exponent"
    raise ValueError(SUFFIX_TEXT)


def parse_quantity(text: str) -> Fraction:
    """Returns the value of a quantity. Raises ValueError."""
    return parse(text).value


def milli(text: str) -> int:
    """Returns the quantity in thousandths, rounded up (`MilliValue`): `250m` is 250, `1` is 1000."""
    return math.ceil(parse(text).value * 1000)


def whole(text: str) -> int:
    """Returns the quantity in units, rounded up (`Value`): `1Ki` is 1024, `100m` is 1."""
    return math.ceil(parse(text).value)


def canonical(text: str) -> str:
    """Returns upstream's canonical text: `1000m` -> `1`, `0.5` -> `500m`, `1024Mi` -> `1Gi`."""
    return render_quantity(parse(text))


def rounded_up(text: str) -> str:
    """Returns the canonical text of the quantity rounded up to thousandths: `1u` -> `1m`. Raises ValueError."""
    found = parse(text)
    return render_quantity(Quantity(Fraction(math.ceil(found.value * 1000), 1000), found.notation))


def texts(value: str) -> list[str]:
    """Returns what is wrong with a quantity, in the form of the checks in `names`."""
    try:
        parse(value)
    except ValueError as e:
        return [str(e)]
    return []


def render_quantity(quantity: Quantity) -> str:
    value = quantity.value
    if value == 0:
        return "0"
    if quantity.notation == "binary" and abs(value) >= 1024 and value.denominator == 1:
        return _render_binary(value.numerator)
    number = value.numerator * _NANO // value.denominator
    power = -9
    while power < 18 and number % 1000 == 0:
        number //= 1000
        power += 3
    if quantity.notation == "exponent":
        return f"{number}e{power}" if power else str(number)
    return f"{number}{_DECIMAL_NAME[power]}"


def _render_binary(number: int) -> str:
    power = 0
    while power < 6 and number % 1024 == 0:
        number //= 1024
        power += 1
    return f"{number}{_BINARY_NAME[power]}" if power else str(number)

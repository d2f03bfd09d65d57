"""Values with more rules than their JSON type has: 32-bit integers, quantities, times, base64.

Go refuses a bad value while it decodes, so such a value is a 400 and not one cause of a 422. Code that runs after
decoding (defaults, rules) may rely on valid values.
"""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime
from typing import Any

from fairlead.machinery.schemas.schema import TypeInfo
from fairlead.machinery.schemas.walk import Test, Tests
from fairlead.machinery.values import quantity

_RFC3339 = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:[0-5]\d)",
    re.ASCII,
)
_EVERY_MONTH = re.compile(r"(?!0000)\d{4}-..-([01]\d|2[0-8])T[^+-]*Z", re.ASCII)
"""Accepts times in UTC on a day that every month of every year has, among those that the other expression accepts."""
_LAYOUTS = {"date-time": "2006-01-02T15:04:05Z07:00", "date-time-micro": "2006-01-02T15:04:05.000000Z07:00"}
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/\r\n]")
_SIMPLE_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?([numkMGTPE]|[KMGTPE]i)?")


def bad_value(info: TypeInfo, value: Any) -> str:
    """Returns the error of Go's decoder for a text of the right JSON type; empty for a valid text."""
    if not isinstance(value, str):
        return ""
    if info.shape == "quantity":
        return "".join(quantity.texts(value)[:1])
    if info.format in _LAYOUTS and not _good_time(value):
        return f'parsing time "{value}" as "{_LAYOUTS[info.format]}": cannot parse "{value}" as "2006"'
    if info.format == "byte" and not _good_base64(value):
        wrong = _NOT_BASE64.search(value)
        return f"illegal base64 data at input byte {wrong.start() if wrong else len(value)}"
    return ""


def int_fits(info: TypeInfo, value: int | float) -> bool:
    bound = 1 << (63 if info.format == "int64" else 31)
    return isinstance(value, int) and -bound <= value < bound


def _test(info: TypeInfo) -> Test | None:
    match info.shape:
        case "int":
            return _good_int64 if info.format == "int64" else _good_int32
        case "int-or-string":
            return _good_int_or_string
        case "quantity":
            return _good_quantity
        case "string" if info.format in _LAYOUTS:
            return _good_time
        case "string" if info.format == "byte":
            return _good_base64
        case _:
            return None


def _good_int32(value: Any) -> bool:
    return value is None or -0x80000000 <= value <= 0x7FFFFFFF


def _good_int64(value: Any) -> bool:
    return value is None or -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF


def _good_int_or_string(value: Any) -> bool:
    return not isinstance(value, int) or _good_int32(value)


def _good_quantity(value: Any) -> bool:
    return not isinstance(value, str) or bool(_SIMPLE_QUANTITY.fullmatch(value)) or not quantity.texts(value)


def _good_time(value: Any) -> bool:
    if value is None:
        return True
    return _RFC3339.fullmatch(value) is not None and (_EVERY_MONTH.fullmatch(value) is not None or _is_date(value))


def _is_date(text: str) -> bool:
    """Returns whether the calendar has the day, and the point in time lies in the years 1 to 9999."""
    try:
        datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return False
    return True


def _good_base64(value: Any) -> bool:
    if not value:
        return True
    try:
        binascii.a2b_base64(value.replace("\n", "").replace("\r", ""), strict_mode=True)
    except ValueError:
        return False
    return True


VALUES = Tests(_test)
"""Tests every object that the fast decoder accepts."""

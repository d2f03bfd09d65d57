"""The formats of texts that OpenAPI schemas of custom resources may name.

An unknown format is not checked, as the JSON Schema standard asks. Names are compared without dashes (`datetime`,
`date-time`).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date
from urllib.parse import urlsplit

from fairlead.machinery.values import names

Test = Callable[[str], bool]

_HEX = "[0-9a-fA-F]"
_ANY_FOUR, _VARIANT = f"{_HEX}{{4}}", f"[89abAB]{_HEX}{{3}}"
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)([.,]\d+)?"
    r"([Zz]|[+-]([01]\d|2[0-3]):?[0-5]\d)?",
    re.ASCII,
)
_HOST_LABEL = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?|[^\x00-\x7f].*", re.DOTALL)
_EMAIL = re.compile(r"[^@\s<>()\[\],;:\\\"]+@[^@\s<>()\[\],;:\\\"]+")
_GO_DURATION = re.compile(r"[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_WORD_DURATION = re.compile(
    r"((\d+)\s*(ns|nano|us|µs|micro|ms|milli|s|sec|m|min|h|hr|hour|d|day|w|wk|week|nanoseconds?|nanos|nsecs?|microseconds?"
    r"|micros|usecs?|milliseconds?|millis|msecs?|seconds?|secs|minutes?|mins|hours?|hrs|days?|weeks?|wks)\s*)+",
    re.ASCII,
)


def _uuid(version: str = "") -> Test:
    if not version:
        pattern = re.compile(f"{_HEX}{{8}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{12}}")
    else:
        variant = _ANY_FOUR if version == "3" else _VARIANT
        pattern = re.compile(f"{_HEX}{{8}}-?{_HEX}{{4}}-?{version}{_HEX}{{3}}-?{variant}-?{_HEX}{{12}}")
    return lambda text: pattern.fullmatch(text) is not None


def _matches(pattern: str) -> Test:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _uri(text: str) -> bool:
    """Accepts what Go's `url.ParseRequestURI` accepts: an absolute URI or an absolute path."""
    if not re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*:|/)", text) or re.search(r"[\x00-\x1f\x7f]|%(?![0-9a-fA-F]{2})", text):
        return False
    try:
        return " " not in urlsplit(text).netloc
    except ValueError:
        return False


def _hostname(text: str) -> bool:
    labels = text.removesuffix(".").split(".")
    return 0 < len(text) <= 255 and all(map(_HOST_LABEL.fullmatch, labels)) and not labels[-1].isdigit()


def _ip(version: int) -> Test:
    def test(text: str) -> bool:
        try:
            return ipaddress.ip_address(text).version == version and "%" not in text
        except ValueError:
            return False

    return test


def _cidr(text: str) -> bool:
    bits = text.rpartition("/")[2]
    try:
        return "/" in text and bits.isascii() and bits.isdigit() and bool(ipaddress.ip_interface(text))
    except ValueError:
        return False


def _isbn10(text: str) -> bool:
    digits = re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"\d{9}[\dX]", digits, re.ASCII):
        return False
    return sum((10 if char == "X" else int(char)) * (at + 1) for at, char in enumerate(digits)) % 11 == 0


def _isbn13(text: str) -> bool:
    digits = re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"\d{13}", digits, re.ASCII):
        return False
    return sum(int(char) * (3 if at % 2 else 1) for at, char in enumerate(digits)) % 10 == 0


_CARDS = (
    r"4\d{12}(\d{3})?|5[1-5]\d{14}|(222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}|6(011|5\d\d)\d{12}|3[47]\d{13}"
    r"|3(0[0-5]|[68]\d)\d{11}|(2131|1800|35\d{3})\d{11}|6[27]\d{14}"
)


def _credit_card(text: str) -> bool:
    digits = re.sub(r"\D", "", text, flags=re.ASCII)
    if not re.fullmatch(_CARDS, digits, re.ASCII):
        return False
    doubled = [int(char) * (2 if at % 2 else 1) for at, char in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _date(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and date.fromisoformat(text) is not None
    except ValueError:
        return False


def _date_time(text: str) -> bool:
    return _TIME.fullmatch(text) is not None and _date(text[:10])


def _byte(text: str) -> bool:
    try:
        return bool(text) and base64.b64decode(text, validate=True) is not None and len(text) % 4 == 0
    except (binascii.Error, ValueError):
        return False


def _duration(text: str) -> bool:
    return _GO_DURATION.fullmatch(text) is not None or _WORD_DURATION.fullmatch(text) is not None


FORMATS: Mapping[str, Test] = {
    "bsonobjectid": _matches("[0-9a-fA-F]{24}"),
    "uri": _uri,
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "hostname": _hostname,
    "ipv4": _ip(4),
    "ipv6": _ip(6),
    "cidr": _cidr,
    "mac": _matches(
        "([0-9a-fA-F]{2}([:-])([0-9a-fA-F]{2}\\2){4,18}[0-9a-fA-F]{2})|([0-9a-fA-F]{4}\\.){2,9}[0-9a-fA-F]{4}"
    ),
    "uuid": _uuid(),
    "uuid3": _uuid("3"),
    "uuid4": _uuid("4"),
    "uuid5": _uuid("5"),
    "isbn": lambda text: _isbn10(text) or _isbn13(text),
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "creditcard": _credit_card,
    "ssn": _matches(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "hexcolor": _matches("#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "rgbcolor": _matches(r"rgb\(\s*(\d{1,2}|1\d\d|2[0-4]\d|25[0-5])\s*(,\s*(\d{1,2}|1\d\d|2[0-4]\d|25[0-5])\s*){2}\)"),
    "byte": _byte,
    "password": lambda _: True,
    "date": _date,
    "duration": _duration,
    "date-time": _date_time,
    "k8s-short-name": lambda text: not names.dns1123_label(text),
    "k8s-long-name": lambda text: not names.dns1123_subdomain(text),
}
"""The test of each format."""

_BY_PLAIN_NAME = {name.replace("-", ""): test for name, test in FORMATS.items()}


def format_test(name: str) -> Test | None:
    """Returns the test of a format; None for an unknown one."""
    return _BY_PLAIN_NAME.get(name.replace("-", ""))

"""Upstream's functions of texts that have a form: regular expressions, URLs, semantic versions, named formats."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import total_ordering
from typing import Any, ClassVar
from urllib.parse import SplitResult, quote, unquote, unquote_plus, urlsplit

from fairlead.cel import types
from fairlead.cel.errors import EvaluationError
from fairlead.cel.functions import Overload, function, member
from fairlead.cel.regexes import compile_pattern
from fairlead.cel.types import Type
from fairlead.cel.values import NONE, Optional
from fairlead.machinery.values import names
from fairlead.machinery.values.formats import FORMATS

# Regular expressions


def _pattern(pattern: str) -> Any:
    try:
        return compile_pattern(pattern)
    except ValueError as e:
        raise EvaluationError(f"Illegal regex: {e}") from None


def _find(text: str, pattern: str) -> str:
    found = _pattern(pattern).search(text)
    return found[0] if found else ""


def _find_all(text: str, pattern: str, count: int = -1) -> list[str]:
    found: list[str] = []
    for match in _pattern(pattern).finditer(text):
        if 0 <= count <= len(found):
            break
        found.append(match[0])
    return found


# URLs


class Url:
    """An absolute URI or an absolute path."""

    __slots__ = ("parts", "text")
    cel_type: ClassVar[Type] = types.opaque("kubernetes.URL")

    def __init__(self, text: str) -> None:
        self.text = text
        self.parts: SplitResult = _split_url(text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Url) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def host(self) -> str:
        return self.parts.netloc.rpartition("@")[2]

    def hostname(self) -> str:
        host = self.host()
        if host.startswith("["):
            return unquote(host[1:].partition("]")[0])
        return host.partition(":")[0]

    def port(self) -> str:
        return self.host().rpartition("]")[2].partition(":")[2]

    def escaped_path(self) -> str:
        return quote(self.parts.path, safe="%/:@&=+$,;!*'()~")

    def query(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for pair in self.parts.query.split("&"):
            if pair and ";" not in pair:
                key, _, value = pair.partition("=")
                found.setdefault(unquote_plus(key), []).append(unquote_plus(value))
        return found


def _split_url(text: str) -> SplitResult:
    """Reads what Go's `url.ParseRequestURI` reads. Raises ValueError."""
    failed = f'parse "{text}": '
    if not text:
        raise ValueError(f"{failed}empty url")
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
        raise ValueError(f"{failed}net/url: invalid control character in URL")
    if re.search(r"%(?![0-9a-fA-F]{2})", text):
        bad = re.search(r"%.{0,2}", text)
        raise ValueError(f'{failed}invalid URL escape "{bad[0] if bad else "%"}"')
    if not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|/", text):
        raise ValueError(f"{failed}invalid URI for request")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError(f"{failed}invalid URI for request") from None
    if " " in parts.netloc:
        raise ValueError(f'{failed}invalid character " " in host name')
    port = parts.netloc.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    if port and not port.isdigit():
        raise ValueError(f'{failed}invalid port ":{port}" after host')
    return parts


def url(text: str) -> Url:
    try:
        return Url(text)
    except ValueError as e:
        raise EvaluationError(f"URL parse error during conversion from string: {e}") from None


def _fits(make: Callable[..., Any]) -> Callable[..., bool]:
    def test(*args: Any) -> bool:
        try:
            make(*args)
        except (EvaluationError, ValueError):
            return False
        return True

    return test


# Semantic versions

_PRERELEASE = re.compile(r"0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*", re.ASCII)
_BUILD = re.compile(r"[0-9A-Za-z-]+", re.ASCII)
_NUMBER = re.compile(r"\d+", re.ASCII)


@total_ordering
class Semver:
    """A semantic version (semver.org 2.0)."""

    __slots__ = ("major", "minor", "patch", "prerelease")
    cel_type: ClassVar[Type] = types.opaque("kubernetes.Semver")

    def __init__(self, text: str) -> None:
        if not text:
            raise ValueError("Version string empty")
        core, _, build = text.partition("+")
        core, dash, prerelease = core.partition("-")
        numbers = core.split(".")
        if len(numbers) != 3:
            raise ValueError("No Major.Minor.Patch elements found")
        named = zip(numbers, ("major", "minor", "patch"), strict=True)
        self.major, self.minor, self.patch = (_version_number(number, name) for number, name in named)
        parts = prerelease.split(".") if dash else []
        for part in parts:
            if not _PRERELEASE.fullmatch(part):
                raise ValueError(f'Invalid character(s) found in prerelease "{part}"')
        if "+" in text and not all(map(_BUILD.fullmatch, build.split("."))):
            raise ValueError(f'Invalid character(s) found in build meta data "{build}"')
        self.prerelease = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)

    def _order(self) -> tuple[Any, ...]:
        return self.major, self.minor, self.patch, not self.prerelease, self.prerelease

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Semver) and self._order() == other._order()

    def __lt__(self, other: Semver) -> bool:
        return self._order() < other._order()

    def __hash__(self) -> int:
        return hash(self._order())


def _version_number(text: str, name: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f'Invalid character(s) found in {name} number "{text}"')
    if len(text) > 1 and text[0] == "0":
        raise ValueError(f'{name.capitalize()} number must not contain leading zeroes "{text}"')
    return int(text)


def _semver(text: str, normalize: bool = False) -> Semver:
    if normalize:
        core = re.split("[-+]", text.removeprefix("v"))[0]
        rest = text.removeprefix("v")[len(core) :]
        numbers = [number.lstrip("0") or "0" if number.isdigit() else number for number in core.split(".")]
        numbers += ["0"] * (3 - len(numbers))
        text = ".".join(numbers) + rest
    try:
        return Semver(text)
    except ValueError as e:
        raise EvaluationError(str(e)) from None


# Named formats


class NamedFormat:
    """A check of texts by name, such as `dns1123Label`."""

    __slots__ = ("check", "name", "regex_size")
    cel_type: ClassVar[Type] = types.opaque("kubernetes.NamedFormat")

    def __init__(self, name: str, check: Callable[[str], list[str]], regex_size: int) -> None:
        self.name = name
        self.check = check
        self.regex_size = regex_size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedFormat) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def validate(self, text: str) -> Optional:
        found = self.check(text)
        return Optional(found) if found else NONE


def _formats() -> dict[str, NamedFormat]:
    checks: dict[str, tuple[Callable[[str], list[str]], int]] = {
        "dns1123Label": (names.dns1123_label, 30),
        "dns1123Subdomain": (names.dns1123_subdomain, 60),
        "dns1035Label": (names.dns1035_label, 30),
        "qualifiedName": (names.qualified_name, 60),
        "dns1123LabelPrefix": (lambda text: names.dns1123_label(names.as_prefix(text)), 30),
        "dns1123SubdomainPrefix": (lambda text: names.dns1123_subdomain(names.as_prefix(text)), 60),
        "dns1035LabelPrefix": (lambda text: names.dns1035_label(names.as_prefix(text)), 30),
        "labelValue": (names.label_value, 40),
        "uri": (_uri_problems, 1103),
        "uuid": (_by_format("uuid", "does not match the UUID format"), 66),
        "byte": (_by_format("byte", "invalid base64"), 84),
        "date": (_by_format("date", "invalid date"), 127),
        "datetime": (_by_format("date-time", "invalid datetime"), 127),
    }
    return {name: NamedFormat(name, check, size) for name, (check, size) in checks.items()}


def _uri_problems(text: str) -> list[str]:
    try:
        Url(text)
    except ValueError as e:
        return [str(e)]
    return []


def _by_format(name: str, problem: str) -> Callable[[str], list[str]]:
    test = FORMATS[name]
    return lambda text: [] if test(text) else [problem]


NAMED_FORMATS = _formats()


def _named(name: str) -> Optional:
    found = NAMED_FORMATS.get(name)
    return NONE if found is None else Optional(found)


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value


_URL, _SEMVER, _FORMAT = Url.cel_type.name, Semver.cel_type.name, NamedFormat.cel_type.name

LIBRARY: list[Overload] = [
    member("find", "string_find_string", "string, string -> string", _find),
    member("findAll", "string_find_all_string", "string, string -> list<string>", _find_all),
    member("findAll", "string_find_all_string_int", "string, string, int -> list<string>", _find_all),
    function("url", "string_to_url", f"string -> {_URL}", url),
    function("isURL", "is_url_string", "string -> bool", _fits(url)),
    member("getScheme", "url_get_scheme", f"{_URL} -> string", lambda one: one.parts.scheme),
    member("getHost", "url_get_host", f"{_URL} -> string", Url.host),
    member("getHostname", "url_get_hostname", f"{_URL} -> string", Url.hostname),
    member("getPort", "url_get_port", f"{_URL} -> string", Url.port),
    member("getEscapedPath", "url_get_escaped_path", f"{_URL} -> string", Url.escaped_path),
    member("getQuery", "url_get_query", f"{_URL} -> map<string, list<string>>", Url.query),
    function("semver", "string_to_semver", f"string -> {_SEMVER}", _semver),
    function("semver", "string_bool_to_semver", f"string, bool -> {_SEMVER}", _semver),
    function("isSemver", "is_semver_string", "string -> bool", _fits(_semver)),
    function("isSemver", "is_semver_string_bool", "string, bool -> bool", _fits(_semver)),
    member("isGreaterThan", "semver_is_greater_than", f"{_SEMVER}, {_SEMVER} -> bool", lambda a, b: a > b),
    member("isLessThan", "semver_is_less_than", f"{_SEMVER}, {_SEMVER} -> bool", lambda a, b: a < b),
    member("compareTo", "semver_compare_to", f"{_SEMVER}, {_SEMVER} -> int", lambda a, b: (a > b) - (a < b)),
    member("major", "semver_major", f"{_SEMVER} -> int", lambda one: one.major),
    member("minor", "semver_minor", f"{_SEMVER} -> int", lambda one: one.minor),
    member("patch", "semver_patch", f"{_SEMVER} -> int", lambda one: one.patch),
    member("validate", "format-validate", f"{_FORMAT}, string -> optional<list<string>>", NamedFormat.validate),
    function("format.named", "format-named", f"string -> optional<{_FORMAT}>", _named),
    *(
        function(f"format.{name}", f"format.{name}", f" -> {_FORMAT}", _constant(named))
        for name, named in NAMED_FORMATS.items()
    ),
]

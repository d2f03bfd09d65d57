"""Checks of bounded lists and maps, and of names, that the kinds of the group share.

Source of the texts: upstream's validation of `resource.k8s.io`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from fairlead.api.meta.rules import too_many
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, invalid, required

T = TypeVar("T")

Check = Callable[[T, str], Iterable[FieldError]]
_C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_c_identifier = re.compile(_C_IDENTIFIER).fullmatch
_C_TEXT = names.regex_text(
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters "
    "or '_'",
    _C_IDENTIFIER,
    "my_name",
    "MY_NAME",
    "MyName",
)
_ID_MAX = 32
_DRIVER_MAX = 63
_SHOWN_KEY = _DRIVER_MAX + 1 + _ID_MAX
_UID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_UID_TEXT = (
    "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal "
    "characters"
)


def too_long(path: str, most: int) -> FieldError:
    return FieldError(path, "TooLong", None, f"may not be more than {most} bytes")


def each(items: Sequence[T], most: int, path: str, check: Check[T]) -> Iterator[FieldError]:
    """Yields errors of a list; those of its items only if the list is not too long."""
    if len(items) > most:
        yield from too_many(len(items), most, path)
        return
    for i, item in enumerate(items):
        yield from check(item, f"{path}[{i}]")


def unique(
    items: Sequence[T], most: int, path: str, check: Check[T], key: Callable[[T], Hashable]
) -> Iterator[FieldError]:
    """Yields errors of a list whose items have different keys."""
    yield from each(items, most, path, check)
    known: set[Hashable] = set()
    for i, item in enumerate(items if len(items) <= most else ()):
        if key(item) in known:
            yield duplicate(f"{path}[{i}]", key(item))
        known.add(key(item))


def entries(
    found: Mapping[str, T], most: int, path: str, check_key: Check[str], check: Check[T]
) -> Iterator[FieldError]:
    """Yields errors of a map: of its keys for the path of the map, of its values for their own."""
    if len(found) > most:
        yield from too_many(len(found), most, path)
        return
    for key, value in found.items():
        yield from check_key(key, path)
        yield from check(value, f"{path}[{_shortened(key)}]")


def _shortened(key: str) -> str:
    if len(key) <= _SHOWN_KEY:
        return key
    left = _SHOWN_KEY - 3
    return f"{key[: (left + 1) // 2]}...{key[len(key) - left // 2 :]}"


def label(value: str, path: str) -> Iterator[FieldError]:
    """Yields errors of a name that is a DNS label."""
    for text in names.dns1123_label(value):
        yield invalid(path, value, text)


def label_name(value: str, path: str) -> Iterator[FieldError]:
    for text in names.qualified_name(value):
        yield invalid(path, value, text)


def driver_name(value: str, path: str) -> Iterator[FieldError]:
    if not value:
        yield required(path)
        return
    if len(value) > _DRIVER_MAX:
        yield too_long(path, _DRIVER_MAX)
    for text in names.dns1123_subdomain(value.lower()):
        yield invalid(path, value, text)


def pool_name(value: str, path: str) -> Iterator[FieldError]:
    if not value:
        yield required(path)
        return
    if len(value) > names.SUBDOMAIN_MAX:
        yield too_long(path, names.SUBDOMAIN_MAX)
    for part in value.split("/"):
        for text in names.dns1123_subdomain(part):
            yield invalid(path, part, text)


def uid(value: str, path: str) -> Iterator[FieldError]:
    if not _UID(value.lower()):
        yield invalid(path, value, f"error validating uid: invalid UUID length: {len(value)}")
    elif not _UID(value):
        yield invalid(path, value, _UID_TEXT)


def attribute_name(value: str, path: str) -> Iterator[FieldError]:
    """Yields errors of the name of an attribute or capacity: `name`, or `domain/name`."""
    parts = value.split("/")
    if len(parts) == 2:
        if parts[0]:
            yield from driver_name(parts[0], path)
        else:
            yield invalid(path, "", "the domain must not be empty")
        if not parts[1]:
            yield invalid(path, "", "the name must not be empty")
            return
    if len(parts) <= 2:
        yield from _identifier(parts[-1], path)


def full_attribute_name(value: str, path: str) -> Iterator[FieldError]:
    """Yields errors of the name of an attribute that must have a domain."""
    yield from attribute_name(value, path)
    if "/" not in value:
        yield invalid(path, value, "a fully qualified name must be a domain and a name separated by a slash")


def _identifier(value: str, path: str) -> Iterator[FieldError]:
    if len(value) > _ID_MAX:
        yield too_long(path, _ID_MAX)
    if not _c_identifier(value):
        yield invalid(path, value, _C_TEXT)


def binding_errors(wanted: Sequence[str], failures: Sequence[str], path: str) -> Iterator[FieldError]:
    """Yields errors of the conditions for binding a pod, and of those for the failure of a binding."""
    first, second = f"{path}.bindingConditions", f"{path}.bindingFailureConditions"
    yield from each(wanted, 4, first, label_name)
    yield from each(failures, 4, second, label_name)
    for where, given in ((first, wanted), (second, failures)):
        for i, condition in enumerate(given):
            if condition in given[:i]:
                yield duplicate(f"{where}[{i}]", condition)
            if where == second and condition in wanted:
                text = "bindingFailureConditions must not overlap with bindingConditions"
                yield invalid(f"{second}[{i}]", condition, text)
    if failures and not wanted:
        yield invalid(first, None, "bindingConditions are required to use bindingFailureConditions")
    if wanted and not failures:
        yield invalid(second, None, "bindingFailureConditions are required to use bindingConditions")


def json_object(value: Any, path: str, most: int) -> Iterator[FieldError]:
    """Yields errors of a JSON object of a driver."""
    if value is None:
        yield required(path)
    elif len(_encoded(value)) > most:
        yield too_long(path, most)
    elif not isinstance(value, dict):
        yield invalid(path, "<value omitted>", "must be a valid JSON object")


def _encoded(value: Any) -> bytes:
    import msgspec

    return msgspec.json.encode(value)

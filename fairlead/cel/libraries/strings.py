"""Functions of texts: positions, cases, splitting, and `format`."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.cel.errors import EvaluationError
from fairlead.cel.functions import Overload, function, member
from fairlead.cel.values import Duration, Timestamp, Uint, format_double, type_of

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
_BLANKS = " \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def _char_at(text: str, at: int) -> str:
    if not 0 <= at <= len(text):
        raise EvaluationError(f"index out of range: {at}")
    return text[at : at + 1]


def _index_of(text: str, wanted: str, begin: int = 0) -> int:
    if not 0 <= begin <= max(len(text) - 1, 0) and wanted:
        raise EvaluationError(f"index out of range: {begin}")
    return text.find(wanted, begin) if wanted else begin


def _last_index_of(text: str, wanted: str, begin: int | None = None) -> int:
    if begin is None:
        return text.rfind(wanted)
    if not 0 <= begin <= max(len(text) - 1, 0):
        raise EvaluationError(f"index out of range: {begin}")
    return text.rfind(wanted, 0, begin + len(wanted)) if wanted else begin


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    return text.replace(old, new, count)


def _split(text: str, separator: str, count: int = -1) -> list[str]:
    if count == 0:
        return []
    if not separator:
        parts = list(text)
        return parts if count < 0 or len(parts) <= count else [*parts[: count - 1], "".join(parts[count - 1 :])]
    return text.split(separator, count - 1 if count > 0 else -1)


def _substring(text: str, begin: int, end: int | None = None) -> str:
    if end is None:
        if not 0 <= begin <= len(text):
            raise EvaluationError(f"index out of range: {begin}")
        return text[begin:]
    if begin > end:
        raise EvaluationError(f"invalid substring range. start: {begin}, end: {end}")
    for at in (begin, end):
        if not 0 <= at <= len(text):
            raise EvaluationError(f"index out of range: {at}")
    return text[begin:end]


def _join(texts: Sequence[Any], separator: str = "") -> str:
    if not all(isinstance(text, str) for text in texts):
        raise EvaluationError("join: invalid input: not a string list")
    return separator.join(texts)


_QUOTED = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\",
           '"': '\\"'}  # fmt: skip


def _quote(text: str) -> str:
    return '"' + "".join(_QUOTED.get(char, char) for char in text) + '"'


# format


def _format(template: str, args: Sequence[Any]) -> str:
    parts, used, at = [], 0, 0
    while at < len(template):
        char = template[at]
        at += 1
        if char != "%":
            parts.append(char)
            continue
        if template[at : at + 1] == "%":
            parts.append("%")
            at += 1
            continue
        precision, at = _precision(template, at)
        if used >= len(args):
            raise EvaluationError(f"index {used} out of range")
        parts.append(_clause(template[at : at + 1], precision, args[used]))
        used, at = used + 1, at + 1
    return "".join(parts)


def _precision(template: str, at: int) -> tuple[int, int]:
    if template[at : at + 1] != ".":
        return 6, at
    end = at + 1
    while template[end : end + 1].isdigit():
        end += 1
    if end == at + 1:
        raise EvaluationError("could not parse formatting clause: missing precision")
    return int(template[at + 1 : end]), end


def _clause(verb: str, precision: int, value: Any) -> str:
    match verb:
        case "s":
            return _shown(value)
        case "d" if not isinstance(value, bool) and isinstance(value, int | float):
            return _special(value) or str(int(value))
        case "f" if isinstance(value, float):
            return _special(value) or format(value, f",.{precision}f")
        case "e" if isinstance(value, float):
            return _special(value) or _scientific(value, precision)
        case "b" if isinstance(value, int):
            return format(int(value), "b")
        case "o" if isinstance(value, int) and not isinstance(value, bool):
            return format(value, "o")
        case "x" | "X" if isinstance(value, str | bytes):
            text = (value.encode() if isinstance(value, str) else value).hex()
            return text.upper() if verb == "X" else text
        case "x" | "X" if isinstance(value, int) and not isinstance(value, bool):
            return format(value, verb)
        case "":
            raise EvaluationError("unexpected end of string")
        case "s" | "d" | "f" | "e" | "b" | "o" | "x" | "X":
            raise EvaluationError(f"error during formatting: {_NEEDS[verb]}, was given {_type_name(value)}")
        case _:
            raise EvaluationError(f'could not parse formatting clause: unrecognized formatting clause "{verb}"')


_RAISED = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")


def _scientific(value: float, precision: int) -> str:
    """Returns the form of the locale `en`, in which upstream prints: `3.140000×10⁰⁰`."""
    mantissa, _, exponent = format(value, f".{precision}e").partition("e")
    return f"{mantissa}×10{exponent.removeprefix('+').translate(_RAISED)}"


_NEEDS = {
    "d": "decimal clause can only be used on integers",
    "f": "fixed-point clause can only be used on doubles",
    "e": "scientific clause can only be used on doubles",
    "b": "only integers and bools can be formatted as binary",
    "o": "octal clause can only be used on integers",
    "x": "only integers, byte buffers, and strings can be formatted as hex",
    "X": "only integers, byte buffers, and strings can be formatted as hex",
}


def _special(value: Any) -> str:
    if not isinstance(value, float):
        return ""
    if value != value:
        return "NaN"
    return {float("inf"): "Infinity", float("-inf"): "-Infinity"}.get(value, "")


def _type_name(value: Any) -> str:
    return type_of(value).name


def _shown(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case bytes():
            return value.decode("utf-8", "replace")
        case float():
            return _special(value) or format_double(value)
        case int() | Uint() | Timestamp() | Duration():
            return str(value)
        case list() | tuple():
            return "[" + ", ".join(map(_inner, value)) + "]"
        case Mapping():
            return "{" + ", ".join(f"{_inner(key)}: {_inner(value[key])}" for key in sorted(value, key=_inner)) + "}"
        case _:
            pass
    own = type_of(value)
    if own.kind == "type":
        return str(value)
    raise EvaluationError(f"error during formatting: no formatting function for {own.name}")


def _inner(value: Any) -> str:
    return _shown(value)


LIBRARY: list[Overload] = [
    member("charAt", "string_char_at_int", "string, int -> string", _char_at),
    member("indexOf", "string_index_of_string", "string, string -> int", _index_of),
    member("indexOf", "string_index_of_string_int", "string, string, int -> int", _index_of),
    member("lastIndexOf", "string_last_index_of_string", "string, string -> int", _last_index_of),
    member("lastIndexOf", "string_last_index_of_string_int", "string, string, int -> int", _last_index_of),
    member("lowerAscii", "string_lower_ascii", "string -> string", lambda text: text.translate(_LOWER)),
    member("upperAscii", "string_upper_ascii", "string -> string", lambda text: text.translate(_UPPER)),
    member("replace", "string_replace_string_string", "string, string, string -> string", _replace),
    member("replace", "string_replace_string_string_int", "string, string, string, int -> string", _replace),
    member("split", "string_split_string", "string, string -> list<string>", _split),
    member("split", "string_split_string_int", "string, string, int -> list<string>", _split),
    member("substring", "string_substring_int", "string, int -> string", _substring),
    member("substring", "string_substring_int_int", "string, int, int -> string", _substring),
    member("trim", "string_trim", "string -> string", lambda text: text.strip(_BLANKS)),
    member("join", "list_join", "list<string> -> string", _join),
    member("join", "list_join_string", "list<string>, string -> string", _join),
    member("format", "string_format", "string, list<dyn> -> string", _format),
    function("strings.quote", "strings_quote", "string -> string", _quote),
]

"""Compares single values with the type of their field: YAML's surprises, numbers and texts, words out of a list."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

from fairlead.base.dataclass import dataclass
from fairlead.base.texts import Text, text
from fairlead.lint.context import Context
from fairlead.lint.document import Entry, Path
from fairlead.lint.near import nearest
from fairlead.machinery.schemas.markers import OneOf
from fairlead.machinery.schemas.schema import TypeInfo
from fairlead.machinery.schemas.wire import bad_value
from fairlead.machinery.values.yamltree import scalar_value

_WORDS = frozenset(("y", "n", "yes", "no", "on", "off"))
"""Booleans of YAML 1.1 that people write as words; `true` and `false` aside."""
_MODE = re.compile(r"[1-7][0-7]{2}")
_SIZE = re.compile(r"([0-9.]+) ?([kKmMgGtT])([bB]|i[bB]?)?")
_MILLIBYTES = re.compile(r"[0-9.]+m")
_BYTES = frozenset(("memory", "storage", "ephemeral-storage", "sizeLimit"))


def fit_scalar(context: Context, entry: Entry, info: TypeInfo, path: Path) -> None:
    """Checks one value, and cures what is understood."""
    match info.shape:
        case "string" | "bytes":
            _string(context, entry, info, path)
        case "bool":
            _bool(context, entry, path)
        case "int" | "float":
            _number(context, entry, path)
        case "int-or-string":
            _int_or_string(context, entry, path)
        case "quantity":
            _quantity(context, entry, info, path)
        case _:
            pass  # `fields` walks into all others


def _string(context: Context, entry: Entry, info: TypeInfo, path: Path) -> None:
    value = entry.value
    if not isinstance(value.scalar, str):
        shown = context.source(value)
        if isinstance(value.scalar, bool) and value.text.lower() in _WORDS:
            message = text(
                "YAML reads `{shown}` as {value}; a string is meant: quote it", shown=shown, value=_json(value.scalar)
            )
        elif isinstance(value.scalar, bool):
            message = text("`{shown}` is a boolean and a string is expected: quote it", shown=shown)
        else:
            message = text("`{shown}` is a number and a string is expected: quote it", shown=shown)
        _cure(context, entry, path, _Cure("quote", message, f'"{value.text}"', value.text))
    if info.format == "byte" and bad_value(info, entry.value.scalar):
        _not_base64(context, entry, path)
    if choices := info.marker(OneOf):
        _one_of(context, entry, path, choices)


def _not_base64(context: Context, entry: Entry, path: Path) -> None:
    value = entry.value
    encoded = b64encode(str(value.scalar).encode()).decode()
    fixes = (context.replaced(value.span, encoded),) if value.span.line == value.last_line else ()
    help = text("or write the text itself under `stringData`") if path[0] == "data" else None
    message = text("`{field}` must be base64: this is its encoded text", field=entry.key)
    if not fixes:
        message = text("`{field}` must be base64", field=entry.key)
    context.report("base64", "error", value.span, message, *fixes, help=help)
    context.reported.add(path)
    value.scalar = encoded


def _one_of(context: Context, entry: Entry, path: Path, choices: OneOf) -> None:
    given = entry.value.scalar
    if not given or given in choices.values:
        return
    meant = nearest(given, choices.values)
    if not meant:
        return  # the server's own text lists the values
    message = text("`{field}: {given}`: did you mean `{meant}`?", field=entry.key, given=given, meant=meant)
    _cure(context, entry, path, _Cure("unknown-value", message, meant, meant))


def _bool(context: Context, entry: Entry, path: Path) -> None:
    value = entry.value
    if isinstance(value.scalar, bool):
        return
    meant = str(value.scalar).lower()
    if isinstance(value.scalar, str) and meant in ("true", "false", "yes", "no", "on", "off"):
        message = text(
            "`{shown}` is a string and a boolean is expected: remove the quotes", shown=context.source(value)
        )
        word = "true" if meant in ("true", "yes", "on") else "false"
        _cure(context, entry, path, _Cure("wrong-type", message, word, word == "true"))
    else:
        _refuse(context, entry, path, text("`{field}` must be true or false", field=entry.key))


def _number(context: Context, entry: Entry, path: Path) -> None:
    value = entry.value
    if isinstance(value.scalar, int | float) and not isinstance(value.scalar, bool):
        _surprising_number(context, entry, path)
        return
    number = scalar_value("!plain", value.text) if isinstance(value.scalar, str) else None
    if isinstance(number, int | float) and not isinstance(number, bool):
        message = text("`{shown}` is a string and a number is expected: remove the quotes", shown=context.source(value))
        _cure(context, entry, path, _Cure("wrong-type", message, value.text, number))
    else:
        _refuse(
            context,
            entry,
            path,
            text("`{field}` must be a number, not `{shown}`", field=entry.key, shown=context.source(value)),
        )


def _surprising_number(context: Context, entry: Entry, path: Path) -> None:
    value = entry.value
    octal = value.plain and len(value.text) > 1 and value.text[0] == "0" and value.text.isdigit()
    is_mode = entry.key.lower().endswith("mode")
    if is_mode and _MODE.fullmatch(value.text):
        message = text(
            "file mode {given} is decimal here, that is octal {octal}: write 0{given}",
            given=value.text,
            octal=f"{value.scalar:04o}",
        )
        context.report("octal", "warning", value.span, message, context.replaced(value.span, f"0{value.text}"))
        context.reported.add(path)
    elif octal and not is_mode:
        message = text("YAML reads {given} as octal, that is {value}", given=value.text, value=value.scalar)
        fix = context.replaced(value.span, value.text.lstrip("0") or "0")
        context.report("octal", "warning", value.span, message, fix)


def _int_or_string(context: Context, entry: Entry, path: Path) -> None:
    value = entry.value
    if isinstance(value.scalar, str) and value.scalar.isdigit():
        message = text("`{shown}` is a string and a number is expected: remove the quotes", shown=context.source(value))
        _cure(context, entry, path, _Cure("wrong-type", message, value.text, int(value.scalar)))
    elif isinstance(value.scalar, bool | float):
        _refuse(context, entry, path, text("`{field}` must be a number or a name", field=entry.key))


def _quantity(context: Context, entry: Entry, info: TypeInfo, path: Path) -> None:
    value = entry.value
    given = str(value.scalar)
    if isinstance(value.scalar, str) and bad_value(info, value.scalar):
        size = _SIZE.fullmatch(given)
        if size:
            meant = f"{size[1]}{size[2].upper()}i"
            message = text("`{given}` is not a quantity: did you mean `{meant}`?", given=given, meant=meant)
            _cure(context, entry, path, _Cure("quantity", message, meant, meant))
        else:
            _refuse(context, entry, path, text("`{given}` is not a quantity (such as 500m or 64Mi)", given=given))
    elif entry.key in _BYTES and _MILLIBYTES.fullmatch(given):
        meant = f"{given[:-1]}Mi"
        message = text("`{given}` of {field} is {given} bytes, thousandths: did you mean `{meant}`?",
                       given=given, field=entry.key, meant=meant)  # fmt: skip
        context.report("quantity", "warning", value.span, message, context.replaced(value.span, meant))
    elif isinstance(value.scalar, bool):
        _refuse(context, entry, path, text("`{given}` is not a quantity (such as 500m or 64Mi)", given=given))


@dataclass(frozen=True, slots=True)
class _Cure:
    rule: str
    message: Text
    shown: str
    """The value as it should be written."""
    meant: Any
    """The value as it should be read."""


def _cure(context: Context, entry: Entry, path: Path, cure: _Cure) -> None:
    value = entry.value
    fixes = (context.replaced(value.span, cure.shown),) if value.span.line == value.last_line else ()
    context.report(cure.rule, "error", value.span, cure.message, *fixes)
    context.reported.add(path)
    value.scalar = cure.meant


def _refuse(context: Context, entry: Entry, path: Path, message: Text) -> None:
    context.report("wrong-type", "error", entry.value.span, message)
    context.reported.add(path)
    entry.value.scalar = None


def _json(value: bool) -> str:
    return "true" if value else "false"

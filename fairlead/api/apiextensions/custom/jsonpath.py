"""JSON paths as printer columns and the scale subresource write them: `.spec.replicas`, `.metadata.labels['a.b']`,
`.status.conditions[?(@.type=="Ready")].status`.

A path that cannot be read finds nothing, as upstream prints an empty cell for it.
"""

from __future__ import annotations

import operator as operators
import re
from collections.abc import Callable, Iterator
from typing import Any

Step = Callable[[Any], Iterator[Any]]

_ORDERS = {"<": operators.lt, "<=": operators.le, ">": operators.gt, ">=": operators.ge}
_PART = re.compile(
    r"""\.\.(?P<deep>[\w$*-]+)
    |\.(?P<name>(?:\\.|[^.\[\]\\])+)
    |\[\s*'(?P<quoted>(?:\\.|[^'\\])*)'\s*\]|\[\s*"(?P<double>(?:\\.|[^"\\])*)"\s*\]
    |\[\s*\?\(\s*@(?P<filter>[^=!<>]*?)\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<value>"[^"]*"|'[^']*'|[^)\s]+)\s*)?\)\s*\]
    |\[\s*(?P<index>-?\d+)\s*\]|\[\s*(?P<all>\*)\s*\]
    |\[\s*(?P<begin>-?\d*)\s*:\s*(?P<end>-?\d*)\s*\]""",
    re.VERBOSE,
)


def compile_path(text: str) -> Callable[[Any], Any]:
    """Returns the function that finds the first value at the path, or None."""
    steps = _steps(text)

    def find(value: Any) -> Any:
        if steps is None:
            return None
        found: Iterator[Any] = iter((value,))
        for step in steps:
            found = _each(step, found)
        return next(found, None)

    return find


def _each(step: Step, values: Iterator[Any]) -> Iterator[Any]:
    for value in values:
        yield from step(value)


def _steps(text: str) -> list[Step] | None:
    steps: list[Step] = []
    at = 0
    text = text.strip().removeprefix("{").removesuffix("}")
    if text == ".":
        return []
    while at < len(text):
        match = _PART.match(text, at)
        if match is None:
            return None
        steps.append(_step(match))
        at = match.end()
    return steps


def _step(match: re.Match[str]) -> Step:
    part = match.groupdict()
    if part["deep"]:
        return lambda value: _deep(value, match["deep"])
    if part["filter"] is not None:
        return _filter(part["filter"], part["operator"], part["value"])
    if part["index"]:
        return _indexed(int(part["index"]))
    if part["all"]:
        return _all
    if part["begin"] is not None:
        begin, end = part["begin"], part["end"]
        return lambda value: iter(value[int(begin or 0) : int(end) if end else None] if isinstance(value, list) else ())
    name = part["name"] or part["quoted"] or part["double"] or ""
    name = re.sub(r"\\(.)", r"\1", name)
    return _all if name == "*" else _named(name)


def _named(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _indexed(index: int) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]

    return step


def _all(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _deep(value: Any, name: str) -> Iterator[Any]:
    if isinstance(value, dict) and name in value:
        yield value[name]
    for one in _all(value):
        yield from _deep(one, name)


def _filter(path: str, operator: str | None, text: str | None) -> Step:
    find = compile_path(path or ".")
    wanted: Any = text[1:-1] if text and text[0] in "\"'" else _literal(text)

    def step(value: Any) -> Iterator[Any]:
        for one in value if isinstance(value, list) else ():
            found = find(one)
            if (operator is None and found is not None) or (operator is not None and _holds(found, operator, wanted)):
                yield one

    return step


def _literal(text: str | None) -> Any:
    if text is None or text in ("true", "false"):
        return text == "true" if text else None
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text


def _holds(found: Any, operator: str, wanted: Any) -> bool:
    if operator == "==":
        return bool(found == wanted)
    if operator == "!=":
        return bool(found != wanted)
    try:
        return bool(_ORDERS[operator](found, wanted))
    except TypeError:
        return False

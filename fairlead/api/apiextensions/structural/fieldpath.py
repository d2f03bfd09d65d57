"""Paths to fields as rules and selectable fields write them: `.spec.ports`, `.spec['a.b']`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairlead.api.apiextensions.structural.node import Node

_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}


class FieldPathError(ValueError):
    """A path that does not lead to a field."""


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        if text[at] == "'":
            end = at + 1
            while end < len(text) and not (text[end] == "'" and text[end - 1] != "\\"):
                end += 1
            yield text[at : end + 1]
            at = end + 1
        elif text[at] in ".[]":
            yield text[at]
            at += 1
        else:
            found = re.match(r"[^.\[\]]+", text[at:])
            assert found is not None
            yield found[0]
            at += found.end()


def resolve(text: str, node: Node, *, brackets: bool = True) -> tuple[str, Node]:
    """Returns the path in the form of errors, and the schema that it leads to. Raises FieldPathError."""
    tokens, path = iter(_tokens(text)), ""
    for token in tokens:
        if token == "[":
            if not brackets:
                raise FieldPathError("array notation is not allowed")
            name = _quoted(next(tokens, None))
        elif token == ".":
            name = _next(tokens)
        else:
            raise FieldPathError(f"expected [ or . but got: {token}")
        path, node = _step(path, node, name)
        if token == "[" and (closing := _next(tokens)) != "]":
            raise FieldPathError(f"expected ] but got {closing}")
    return path, node


def _next(tokens: Iterator[str]) -> str:
    token = next(tokens, None)
    if token is None:
        raise FieldPathError("unexpected end of JSON path")
    return token


def _quoted(token: str | None) -> str:
    if token is None:
        raise FieldPathError("unexpected end of JSON path")
    if len(token) < 2 or token[0] != "'" or token[-1] != "'":
        raise FieldPathError(f"expected single quoted string but got {token}")

    def unescape(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise FieldPathError(f"invalid string literal: invalid escape char {match[0]}")
        return _ESCAPES[match[1]]

    return re.sub(r"\\(.)", unescape, token[1:-1])


def _step(path: str, node: Node, name: str) -> tuple[str, Node]:
    if node.properties:
        below = node.properties.get(name)
        path = f"{path}.{name}" if path else name
    elif node.open and node.additional is not None:
        below, path = node.additional, f"{path}[{name}]"
    else:
        below = None
    if below is None:
        raise FieldPathError("does not refer to a valid field")
    return path, below

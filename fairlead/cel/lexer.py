"""Splits the text of an expression into tokens."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from fairlead.cel.errors import CompileError, Problem
from fairlead.cel.values import Uint

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n\f]+|//[^\n]*)
    |(?P<float>(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?))
    |(?P<uint>(?:0x[0-9a-fA-F]+|\d+)[uU])
    |(?P<int>0x[0-9a-fA-F]+|\d+)
    |(?P<string>(?:[rR]?[bB]?|[bB][rR])(?:\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''
        |"(?:[^\\"\n\r]|\\.)*"|'(?:[^\\'\n\r]|\\.)*'))
    |(?P<ident>[_a-zA-Z][_a-zA-Z0-9]*)
    |(?P<op>==|!=|<=|>=|&&|\|\||[-+*/%!<>?:.,()\[\]{}=])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_RAW = re.compile(
    r"""(?:[rR][bB]?|[bB][rR])(?P<quote>\"\"\"|'''|"|')(?P<body>.*?)(?P=quote)""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|X[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|.)", re.DOTALL)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SELF = frozenset("\\'\"`?")


class Token(NamedTuple):
    kind: str
    """`ident`, `op`, `end`, or a literal: `int`, `uint`, `float`, `string`, `bytes`."""
    text: str
    value: Any
    at: int

    def shown(self) -> str:
        return f"'{self.text}'" if self.kind != "end" else "'<EOF>'"


def tokens(source: str) -> list[Token]:
    """Returns the tokens, with one of kind `end` behind them. Raises CompileError."""
    found, at = [], 0
    while at < len(source):
        raw = _RAW.match(source, at)
        match = raw or _TOKEN.match(source, at)
        if match is None:
            raise CompileError(source, [Problem(at, f"Syntax error: token recognition error at: '{source[at]}'")])
        if raw is not None:
            found.append(_text(source, at, raw[0]))
        elif (kind := match.lastgroup or "") != "blank":
            found.append(_token(source, at, kind, match[0]))
        at = match.end()
    return [*found, Token("end", "", None, len(source))]


def _token(source: str, at: int, kind: str, text: str) -> Token:
    match kind:
        case "string":
            return _text(source, at, text)
        case "float":
            return Token(kind, text, float(text), at)
        case "int":
            return Token(kind, text, int(text, 0) if text.startswith("0x") else int(text), at)
        case "uint":
            digits = text[:-1]
            number = int(digits, 16) if digits.startswith("0x") else int(digits)
            if number >= 1 << 64:
                raise CompileError(source, [Problem(at, "invalid uint literal")])
            return Token(kind, text, Uint(number), at)
        case _:
            return Token(kind, text, None, at)


def _text(source: str, at: int, text: str) -> Token:
    prefix = re.match("[rRbB]*", text)[0].lower()  # type: ignore[index]
    body = text[len(prefix) :]
    quote = body[:3] if body[:3] in ('"""', "'''") else body[0]
    inner = body[len(quote) : -len(quote)]
    is_bytes, is_raw = "b" in prefix, "r" in prefix
    if len(quote) == 3:
        inner = inner.replace("\r\n", "\n").replace("\r", "\n")
    try:
        value: Any = inner if is_raw else _unescaped(inner, is_bytes=is_bytes)
    except ValueError as e:
        raise CompileError(source, [Problem(at, str(e))]) from None
    if is_bytes:
        value = value.encode() if is_raw else b"".join(value)
    elif not is_raw:
        value = "".join(value)
    return Token("bytes" if is_bytes else "string", text, value, at)


def _unescaped(text: str, *, is_bytes: bool) -> Any:
    parts: list[Any] = []
    end = 0
    for match in _ESCAPE.finditer(text):
        parts += [text[end : match.start()], _escape(match[1], is_bytes=is_bytes)]
        end = match.end()
    parts.append(text[end:])
    return [part.encode() if isinstance(part, str) else part for part in parts] if is_bytes else parts


def _escape(code: str, *, is_bytes: bool) -> Any:
    head = code[0]
    if head in _SIMPLE:
        return _SIMPLE[head]
    if head in _SELF:
        return head
    if len(code) == 1 or (is_bytes and head in "uU"):
        raise ValueError("unable to unescape string")
    number = int(code, 8) if head.isdigit() else int(code[1:], 16)
    if is_bytes:
        return bytes([number])
    if 0xD800 <= number < 0xE000 or number > 0x10FFFF:
        raise ValueError("invalid unicode code point")
    return chr(number)

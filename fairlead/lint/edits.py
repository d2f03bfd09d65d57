"""The mistakes that make a line no YAML, each as an edit of the line. Pure.

An edit is a guess; `repair` keeps it only if the text can be read further with it than without.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from fairlead.base.dataclass import dataclass
from fairlead.base.texts import Text, text
from fairlead.lint.problem import Span

_HEAD = r"(?P<head>[ ]*(?:-[ ]+)*)"
_KEY = r"(?P<key>[A-Za-z_][\w./-]*|\"[^\"]*\"|'[^']*')"
_GLUED = re.compile(_HEAD + _KEY + r":(?P<value>[^\s:/].*|/(?!/).*)")
_DASHED = re.compile(r"(?P<head>[ ]*)-(?P<rest>[A-Za-z\"'][^-].*)")
_BARE = re.compile(_HEAD + r"(?P<key>[A-Za-z_][\w.-]*)[ ]*")
_SPACED = re.compile(_HEAD + r"(?P<key>[A-Za-z_][\w-]*)[ ]+(?P<value>[^\s:=].*)")
_PAIR = re.compile(_HEAD + _KEY + r":[ ]+(?P<value>\S.*?)[ ]*")
_ITEM = re.compile(r"(?P<head>[ ]*-[ ]+)(?P<value>\S.*?)[ ]*")
_EQUALS = re.compile(_HEAD + r"(?P<key>[A-Za-z_][\w.-]*)[ ]*=[ ]*(?P<value>\S.*)")
_SPECIAL = re.compile(r"[@`%&*!|>{\[\]},#?]|.*: |.*:$|.* #")


@dataclass(frozen=True, slots=True)
class Edit:
    """One line, or a block of lines, as they may be meant."""

    rule: str
    message: Text
    span: Span
    lines: tuple[tuple[int, str], ...]
    """The changed lines, by their index."""


Rule = Callable[[Sequence[str], int], Iterator[Edit]]


def edits(lines: Sequence[str], at: int) -> Iterator[Edit]:
    """Yields the edits of a line, likely ones first."""
    if lines[at].strip() and not lines[at].lstrip().startswith("#"):
        for rule in RULES:
            yield from rule(lines, at)


def _one(rule: str, at: int, column: int, width: int, line: str, message: Text) -> Edit:
    return Edit(rule, message, Span(at, column, column + width), ((at, line),))


def missing_space(lines: Sequence[str], at: int) -> Iterator[Edit]:
    match = _GLUED.fullmatch(lines[at])
    if match:
        colon = match.end("key")
        fixed = f"{lines[at][: colon + 1]} {match['value']}"
        yield _one("missing-space", at, colon, 2, fixed, text("a space is missing after `{key}:`", key=match["key"]))


def missing_space_after_dash(lines: Sequence[str], at: int) -> Iterator[Edit]:
    match = _DASHED.fullmatch(lines[at])
    if match:
        column = len(match["head"])
        fixed = f"{match['head']}- {match['rest']}"
        yield _one("missing-space", at, column, 2, fixed, text("a space is missing after the dash of a list item"))


def unclosed_quote(lines: Sequence[str], at: int) -> Iterator[Edit]:
    line = lines[at].rstrip()
    for quote in ('"', "'"):
        if line.count(quote) % 2 == 0:
            continue
        column, message = line.index(quote), text("the quote {quote} is not closed", quote=quote)
        yield _one("unclosed-quote", at, column, len(line) - column, line + quote, message)
        comma = line.rstrip(",]}")
        if comma != line:
            yield _one("unclosed-quote", at, column, 1, comma + quote + line[len(comma) :], message)
        without = line[: line.rindex(quote)] + line[line.rindex(quote) + 1 :]
        yield _one("unclosed-quote", at, line.rindex(quote), 1, without, text("an extra quote {quote}", quote=quote))


def missing_colon(lines: Sequence[str], at: int) -> Iterator[Edit]:
    match = _BARE.fullmatch(lines[at])
    if match and _followed_by_block(lines, at):
        end = match.end("key")
        fixed = lines[at][:end] + ":"
        message = text("a colon is missing after `{key}`", key=match["key"])
        yield _one("missing-colon", at, match.start("key"), len(match["key"]), fixed, message)


def missing_colon_before_value(lines: Sequence[str], at: int) -> Iterator[Edit]:
    match = _EQUALS.fullmatch(lines[at]) or _SPACED.fullmatch(lines[at])
    if match:
        fixed = f"{match['head']}{match['key']}: {match['value']}"
        message = text("a colon is missing after `{key}`", key=match["key"])
        yield _one("missing-colon", at, match.start("key"), len(match["key"]), fixed, message)


def unquoted_value(lines: Sequence[str], at: int) -> Iterator[Edit]:
    match = _PAIR.fullmatch(lines[at]) or _ITEM.fullmatch(lines[at])
    if match and match["value"][0] not in "\"'" and _SPECIAL.match(match["value"]):
        start, value = match.start("value"), match["value"]
        quoted = f"'{value}'" if '"' in value or "\\" in value else f'"{value}"'
        message = text("`{value}` needs quotes, because it contains characters of YAML's own syntax", value=value)
        yield _one("missing-quotes", at, start, len(value), lines[at][:start] + quoted, message)


def unclosed_bracket(lines: Sequence[str], at: int) -> Iterator[Edit]:
    line = lines[at].rstrip()
    for opening, closing in ("[]", "{}"):
        if line.count(opening) == line.count(closing) + 1:
            message = text("`{opening}` is not closed", opening=opening)
            yield _one("unclosed-bracket", at, line.rindex(opening), 1, line + closing, message)


def extra_text(lines: Sequence[str], at: int) -> Iterator[Edit]:
    """Text behind a closed quote, such as `"a" b`."""
    match = re.fullmatch(r"(?P<before>.*:[ ]+(?P<quoted>\"[^\"]*\"|'[^']*'))(?P<rest>[ ]*[^\s#].*)", lines[at])
    if match:
        message = text("text follows the closed quote")
        column = match.end("quoted")
        yield _one("extra-text", at, column, len(lines[at]) - column, match["before"], message)


def extra_dash(lines: Sequence[str], at: int) -> Iterator[Edit]:
    match = re.fullmatch(r"(?P<head>[ ]*)-[ ]+(?P<rest>[A-Za-z_][\w.-]*:.*)", lines[at])
    if match:
        fixed = match["head"] + match["rest"]
        message = text("a dash makes this a list item, but a field of a mapping is expected")
        yield _one("extra-dash", at, len(match["head"]), 1, fixed, message)


def indentation(lines: Sequence[str], at: int) -> Iterator[Edit]:
    """The line, or the line with the block below it, at the indentation of a line above or one step deeper."""
    line = lines[at]
    own = _indent(line)
    block = [at, *_block(lines, at)]
    columns = _columns_above(lines, at)
    for column in sorted(columns - {own}, key=lambda one: (abs(one - own), -one)):
        message = text("wrong indentation: {found}, expected {expected}", found=_spaces(own), expected=column)
        for rows in (block, [at]) if len(block) > 1 else (block,):
            shifted = tuple((row, _shift(lines[row], column - own)) for row in rows)
            yield Edit("indentation", message, Span(at, 0, max(own, 1)), shifted)


def _spaces(count: int) -> Text:
    return text("1 space") if count == 1 else text("{count} spaces", count=count)


def _columns_above(lines: Sequence[str], at: int) -> set[int]:
    columns, limit = {0}, 10_000
    for row in range(at - 1, -1, -1):
        line = lines[row]
        if line.startswith("---"):
            break
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        depth = _indent(line)
        if depth < limit:
            limit = depth
            columns |= {depth, depth + 2}
            if line.lstrip().startswith("- "):
                columns.add(depth + 2)
    return columns


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _shift(line: str, by: int) -> str:
    return " " * by + line if by > 0 else line[-by:] if not line[:-by].strip() else line.lstrip()


def _block(lines: Sequence[str], at: int) -> list[int]:
    """Returns the lines below that are deeper."""
    rows, own = [], _indent(lines[at])
    for row in range(at + 1, len(lines)):
        if lines[row].strip() and _indent(lines[row]) <= own:
            break
        rows.append(row)
    while rows and not lines[rows[-1]].strip():
        rows.pop()
    return rows


def _followed_by_block(lines: Sequence[str], at: int) -> bool:
    own = _indent(lines[at])
    below = next((line for line in lines[at + 1 :] if line.strip()), "")
    return _indent(below) > own or below.lstrip().startswith("- ")


RULES: tuple[Rule, ...] = (
    missing_space,
    missing_space_after_dash,
    unclosed_quote,
    missing_colon,
    unclosed_bracket,
    unquoted_value,
    extra_text,
    missing_colon_before_value,
    extra_dash,
    indentation,
)
"""Every mistake of this kind, likely ones first."""

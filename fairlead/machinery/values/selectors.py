"""Label and field selectors: parsing from text and objects, matching, and rendering.

The grammar is that of `labels.Parse` and `fields.ParseSelector`: `a=b`, `a==b`, `a!=b`, `a in (x,y)`, `a notin (x,y)`,
`a`, `!a`, `a>1`, `a<1`. For an absent key only `!=`, `notin` and `!` hold. Requirements are sorted by key, so that
equal selectors render to equal text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, Protocol

from fairlead.base.dataclass import dataclass
from fairlead.machinery.values import names
from fairlead.machinery.values.status import StatusError, bad_request, invalid, render_value

LabelOperator = Literal["=", "==", "!=", "in", "notin", "exists", "!", ">", "<"]

_TOKEN = re.compile(r"[ \t\r\n]*(==|!=|[=!(),<>]|[^ \t\r\n=!(),<>]+)")
_MOST_TERMS = 200
"""Greatest number of terms in a selector of a query: each term is tested on every object of a list."""
_SET_OPERATORS = ("in", "notin")
_VALUE_OPERATORS = ("=", "==", "!=", ">", "<")


@dataclass(frozen=True, slots=True)
class LabelRequirement:
    key: str
    operator: LabelOperator
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "=" | "==" | "in":
                return value in self.values
            case "!=" | "notin":
                return value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case _:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        bound = next(iter(self.values))
        if value is None or not _is_integer(value):
            return False
        return int(value) > int(bound) if self.operator == ">" else int(value) < int(bound)

    def __str__(self) -> str:
        values = ",".join(sorted(self.values))
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({values})"
            case _:
                return f"{self.key}{self.operator}{values}"


@dataclass(frozen=True, slots=True)
class LabelRequirements:
    """Requirements that must all hold; an empty list matches everything."""

    items: tuple[LabelRequirement, ...] = ()
    nothing: bool = False
    """True if no object matches, whatever its labels (a null LabelSelector)."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        return not self.nothing and all(r.holds(labels) for r in self.items)

    @property
    def empty(self) -> bool:
        return not self.items and not self.nothing

    def __str__(self) -> str:
        return ",".join(str(r) for r in self.items)


EVERYTHING = LabelRequirements()
NOTHING = LabelRequirements(nothing=True)


def render(selector: LabelRequirements | FieldRequirements) -> str:
    """Renders the selector as text, which parses back to the same selector."""
    return str(selector)


class Expression(Protocol):
    """`metav1.LabelSelectorRequirement`, which lives a layer above."""

    key: str
    operator: str
    values: list[str]


class Selector(Protocol):
    """`metav1.LabelSelector`."""

    matchLabels: dict[str, str]

    @property
    def matchExpressions(self) -> Sequence[Expression]: ...


def from_map(labels: Mapping[str, str]) -> LabelRequirements:
    """Returns the requirements of a Service's selector: each label exactly as given."""
    return _sorted(LabelRequirement(k, "=", frozenset((v,))) for k, v in labels.items())


def from_label_selector(selector: Selector | None) -> LabelRequirements:
    """Returns the requirements of a LabelSelector: None selects nothing, an empty one everything. Raises StatusError
    400 for an unknown operator."""
    if selector is None:
        return NOTHING
    requirements = list(from_map(selector.matchLabels).items)
    requirements += (_from_expression(e) for e in selector.matchExpressions)
    return _sorted(requirements)


def _from_expression(e: Expression) -> LabelRequirement:
    operators: dict[str, LabelOperator] = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
    if e.operator not in operators:
        raise bad_request(f"{render_value(e.operator)} is not a valid label selector operator")
    return LabelRequirement(e.key, operators[e.operator], frozenset(e.values))


def _sorted(requirements: Iterable[LabelRequirement]) -> LabelRequirements:
    return LabelRequirements(tuple(sorted(requirements, key=lambda r: (r.key, r.operator, sorted(r.values)))))


def parse_label_selector(text: str) -> LabelRequirements:
    """Reads a `labelSelector` parameter. Raises StatusError 400."""
    tokens = _Tokens(text)
    requirements: list[LabelRequirement] = []
    if tokens.peek() == "":
        return EVERYTHING
    while True:
        requirements.append(_parse_requirement(tokens))
        _check_count(len(requirements))
        end = tokens.next()
        if end == "":
            return _sorted(requirements)
        if end != ",":
            raise _unparsable(f"found '{end}', expected: ',' or 'end of string'")


class _Tokens:
    """The words and signs of a selector; an empty string marks the end."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def next(self) -> str:
        token = self.peek()
        self._at += 1
        return token


def _is_word(token: str) -> bool:
    return token != "" and token[0] not in "=!(),<>"


def _parse_requirement(tokens: _Tokens) -> LabelRequirement:
    absent = tokens.peek() == "!"
    if absent:
        tokens.next()
    key = tokens.next()
    if not _is_word(key):
        raise _unparsable(f"found '{key}', expected: {'identifier' if absent else '!, identifier, or end of string'}")
    _check(key, "key", names.qualified_name)
    operator = tokens.peek()
    if absent:
        return LabelRequirement(key, "!")
    if operator in ("", ","):
        return LabelRequirement(key, "exists")
    tokens.next()
    return _parse_values(tokens, key, operator)


def _parse_values(tokens: _Tokens, key: str, operator: str) -> LabelRequirement:
    if operator in _SET_OPERATORS:
        values = _parse_set(tokens)
        for value in sorted(values):
            _check(value, f"values[{key}]", names.label_value)
        return LabelRequirement(key, "in" if operator == "in" else "notin", values)
    operator_text = next((o for o in _VALUE_OPERATORS if o == operator), None)
    if operator_text is None:
        raise _unparsable(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")
    value = "" if tokens.peek() in ("", ",") else tokens.next()
    if value and not _is_word(value):
        raise _unparsable(f"found '{value}', expected: identifier")
    if operator_text in (">", "<") and not _is_integer(value):
        raise _unparsable(f'for "Gt", "Lt" operators, the value must be an integer, found "{value}"')
    _check(value, f"values[{key}]", names.label_value)
    return LabelRequirement(key, _OPERATORS[operator_text], frozenset((value,)))


_OPERATORS: dict[str, LabelOperator] = {"=": "=", "==": "=", "!=": "!=", ">": ">", "<": "<"}


def _parse_set(tokens: _Tokens) -> frozenset[str]:
    """Parses `(x,y)`; upstream lets a value be empty, so `(x,)` names two."""
    start = tokens.next()
    if start != "(":
        raise _unparsable(f"found '{start}', expected: '('")
    values: set[str] = set()
    expect_value = True
    while True:
        token = tokens.next()
        if token in (",", ")"):
            if expect_value:
                values.add("")
            if token == ")":
                return frozenset(values)
            expect_value = True
        elif _is_word(token) and expect_value:
            values.add(token)
            expect_value = False
        else:
            raise _unparsable(f"found '{token}', expected: ',', ')' or identifier")


def _is_integer(text: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]+", text) is not None


def _check(value: str, path: str, check: names.Check) -> None:
    texts = check(value)
    if texts:
        raise bad_request(f"unable to parse requirement: {invalid(path, value, '; '.join(texts))}")


def _check_count(terms: int) -> None:
    if terms > _MOST_TERMS:
        raise bad_request(f"a selector has at most {_MOST_TERMS} requirements")


def _unparsable(why: str) -> StatusError:
    return bad_request(f"unable to parse requirement: {why}")


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    field: str
    equal: bool
    value: str

    def __str__(self) -> str:
        escaped = re.sub(r"([\\,=])", r"\\\1", self.value)
        return f"{self.field}{'=' if self.equal else '!='}{escaped}"


@dataclass(frozen=True, slots=True)
class FieldRequirements:
    items: tuple[FieldRequirement, ...] = ()

    def matches(self, get: Callable[[str], str]) -> bool:
        """Returns whether all requirements hold; `get` returns the value of a field by its name."""
        return all((get(r.field) == r.value) is r.equal for r in self.items)

    def exact(self, field: str) -> str | None:
        """Returns the value that the selector requires of the field, if any: `metadata.name=x` needs no scan."""
        return next((r.value for r in self.items if r.equal and r.field == field), None)

    def check_supported(self, supported: Iterable[str]) -> None:
        """Raises StatusError 400 for a field that the kind does not support in selectors."""
        known = set(supported)
        for r in self.items:
            if r.field not in known:
                raise bad_request(f"field label not supported: {r.field}")

    @property
    def empty(self) -> bool:
        return not self.items

    def __str__(self) -> str:
        return ",".join(str(r) for r in self.items)


_FIELD_TERM = re.compile(r"(?:[^\\,]|\\.|\\$)+", re.DOTALL)


def parse_field_selector(text: str) -> FieldRequirements:
    """Reads a `fieldSelector` parameter. Raises StatusError 400."""
    terms = _FIELD_TERM.findall(text)
    _check_count(len(terms))
    return FieldRequirements(tuple(sorted((_parse_field(t) for t in terms), key=str)))


def _parse_field(term: str) -> FieldRequirement:
    match = re.fullmatch(r"([^=!]*)(!=|==|=)(.*)", term, re.DOTALL)
    if match is None:
        raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
    value = match[3]
    if re.search(r"\\(?![\\,=])", re.sub(r"\\\\", "", value)):
        raise bad_request(f"invalid field selector: invalid escape sequence in {render_value(value)}")
    if re.search(r"(?<!\\)=", re.sub(r"\\\\", "", value)):
        raise bad_request(f"invalid field selector: invalid value: {render_value(value)}: unescaped equals sign")
    return FieldRequirement(match[1], match[2] != "!=", re.sub(r"\\([\\,=])", r"\1", value))

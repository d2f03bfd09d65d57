"""Parses an expression to a syntax tree by recursive descent, and expands macros.

Grammar: https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax. Texts of syntax errors follow cel-go.
"""

from __future__ import annotations

from typing import NoReturn

from fairlead.cel.errors import CompileError, Problem
from fairlead.cel.lexer import Token, tokens
from fairlead.cel.macros import GLOBAL_MACROS, MACROS, MacroError
from fairlead.cel.syntax import Call, Entry, Ident, ListNode, Literal, MapNode, Node, Select, StructNode, qualified_name

_OPERANDS = (
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
)
_LEVELS = (
    {"<": "_<_", "<=": "_<=_", ">": "_>_", ">=": "_>=_", "==": "_==_", "!=": "_!=_", "in": "@in"},
    {"+": "_+_", "-": "_-_"},
    {"*": "_*_", "/": "_/_", "%": "_%_"},
)
_CONSTANTS = {"true": True, "false": False, "null": None}
_RESERVED_WORDS = "as break const continue else for function if import let loop package namespace return var void while"
_RESERVED = frozenset(_RESERVED_WORDS.split())
_LONGEST, _DEEPEST = 100_000, 250
_TOO_DEEP = f"expression recursion limit exceeded: {_DEEPEST}"


def parse(source: str) -> Node:
    """Returns the syntax tree. Raises CompileError."""
    if len(source) > _LONGEST:
        text = f"expression code point size exceeds limit: size: {len(source)}, limit {_LONGEST}"
        raise CompileError("", [Problem(0, text)])
    try:
        return _Parser(source).whole()
    except RecursionError:
        raise CompileError(source, [Problem(0, _TOO_DEEP)]) from None


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = tokens(source)
        self.at = 0
        self.depth = 0

    def whole(self) -> Node:
        node = self.expression()
        if self.now.kind != "end":
            self.fail(f"Syntax error: mismatched input {self.now.shown()} expecting <EOF>")
        return node

    # The position in the tokens

    @property
    def now(self) -> Token:
        return self.tokens[self.at]

    def accept(self, *texts: str) -> Token | None:
        token = self.now
        if token.kind in ("op", "ident") and token.text in texts:
            self.at += 1
            return token
        return None

    def expect(self, text: str) -> Token:
        token = self.accept(text)
        if token is None:
            self.fail(f"Syntax error: mismatched input {self.now.shown()} expecting '{text}'")
        return token

    def fail(self, text: str, at: int | None = None) -> NoReturn:
        raise CompileError(self.source, [Problem(self.now.at if at is None else at, text)])

    # Operators, from the loosest to the tightest

    def expression(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail(_TOO_DEEP)
        condition = self.logical("||")
        question = self.accept("?")
        if question is not None:
            yes = self.logical("||")
            self.expect(":")
            condition = Call(question.at, "_?_:_", [condition, yes, self.expression()])
        self.depth -= 1
        return condition

    def logical(self, operator: str) -> Node:
        terms, ats = [self.logical("&&") if operator == "||" else self.binary(0)], []
        while token := self.accept(operator):
            ats.append(token.at)
            terms.append(self.logical("&&") if operator == "||" else self.binary(0))
        return _balanced(f"_{operator}_", terms, ats)

    def binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self.unary()
        operators, node = _LEVELS[level], self.binary(level + 1)
        while token := self.accept(*operators):
            node = Call(token.at, operators[token.text], [node, self.binary(level + 1)])
        return node

    def unary(self) -> Node:
        operator = self.accept("!", "-")
        if operator is None:
            return self.member()
        if operator.text == "-" and self.now.kind in ("int", "float"):
            return self.member(negative=operator)
        count = 1
        while self.accept(operator.text):
            count += 1
        node = self.member()
        return Call(operator.at, "!_" if operator.text == "!" else "-_", [node]) if count % 2 else node

    def member(self, negative: Token | None = None) -> Node:
        node = self.primary(negative)
        while token := self.accept(".", "["):
            node = self.index(node, token) if token.text == "[" else self.field(node, token)
        return node

    def index(self, node: Node, bracket: Token) -> Node:
        optional = self.accept("?") is not None
        index = self.expression()
        self.expect("]")
        return Call(bracket.at, "_[?_]" if optional else "_[_]", [node, index])

    def field(self, node: Node, dot: Token) -> Node:
        optional = self.accept("?") is not None
        name = self.now
        if name.kind != "ident" or name.text in ("in", *_CONSTANTS):
            self.fail(f"Syntax error: mismatched input {name.shown()} expecting IDENTIFIER")
        self.at += 1
        opened = None if optional else self.accept("(")
        if opened is None:
            return Select(dot.at, node, name.text, optional=optional)
        args = self.arguments(")")
        macro = MACROS.get((name.text, len(args)))
        if macro is not None:
            return self.expanded(lambda: macro(opened.at, node, args))
        return Call(opened.at, name.text, args, node)

    def expanded(self, expand: object) -> Node:
        try:
            node: Node = expand()  # type: ignore[operator]
        except MacroError as e:
            self.fail(str(e), e.at)
        return node

    # Operands

    def primary(self, negative: Token | None = None) -> Node:
        token = self.now
        match token.kind:
            case "int" | "float" | "uint" | "string" | "bytes":
                self.at += 1
                return self.number(token, negative)
            case "op" if token.text in ("(", "[", "{", "."):
                return self.bracketed(token)
            case "ident" if token.text != "in":
                return self.identifier(token)
            case _:
                problem = "mismatched input" if token.kind == "end" else "extraneous input"
                return self.fail(f"Syntax error: {problem} {token.shown()} expecting {_OPERANDS}")

    def number(self, token: Token, negative: Token | None) -> Node:
        value = token.value if negative is None else -token.value
        if token.kind == "int" and not -(1 << 63) <= value < 1 << 63:
            self.fail("invalid int literal", token.at)
        return Literal(token.at if negative is None else negative.at, value)

    def bracketed(self, token: Token) -> Node:
        self.at += 1
        if token.text == "(":
            node = self.expression()
            self.expect(")")
            return node
        if token.text == "[":
            return self.list_literal(token)
        if token.text == "{":
            return MapNode(token.at, self.entries(names=False))
        name = self.now
        if name.kind != "ident":
            self.fail(f"Syntax error: no viable alternative at input '.{name.text}'")
        return self.identifier(name)

    def list_literal(self, bracket: Token) -> Node:
        items: list[Node] = []
        optional: set[int] = set()
        while not self.accept("]"):
            if self.accept("?"):
                optional.add(len(items))
            items.append(self.expression())
            if not self.accept(","):
                self.expect("]")
                break
        return ListNode(bracket.at, items, frozenset(optional))

    def arguments(self, close: str) -> list[Node]:
        found: list[Node] = []
        while not self.accept(close):
            if found:
                self.expect(",")
            found.append(self.expression())
        return found

    def identifier(self, token: Token) -> Node:
        self.at += 1
        if token.text in _CONSTANTS:
            return Literal(token.at, _CONSTANTS[token.text])
        if token.text in _RESERVED:
            self.fail(f"reserved identifier: {token.text}", token.at)
        opened = self.accept("(")
        if opened is not None:
            args = self.arguments(")")
            macro = GLOBAL_MACROS.get((token.text, len(args)))
            if macro is not None:
                return self.expanded(lambda: macro(opened.at, args))
            return Call(opened.at, token.text, args)
        return self.maybe_struct(Ident(token.at, token.text))

    def maybe_struct(self, node: Node) -> Node:
        """Reads `Name{...}` and `a.b.Name{...}`, or returns the identifier."""
        begin = self.at
        while self.now.text == "." and self.tokens[self.at + 1].kind == "ident":
            node = Select(self.now.at, node, self.tokens[self.at + 1].text)
            self.at += 2
        brace = self.accept("{")
        if brace is not None:
            return StructNode(brace.at, qualified_name(node), self.entries(names=True))
        while self.at > begin:
            assert isinstance(node, Select)
            node, self.at = node.operand, self.at - 2
        return node

    def entries(self, *, names: bool) -> list[Entry]:
        found: list[Entry] = []
        while not self.accept("}"):
            optional = self.accept("?") is not None
            key = self.now.text if names else self.expression()
            if names:
                if self.now.kind != "ident":
                    self.fail(f"Syntax error: mismatched input {self.now.shown()} expecting IDENTIFIER")
                self.at += 1
            colon = self.expect(":")
            found.append(Entry(colon.at, key, self.expression(), optional=optional))
            if not self.accept(","):
                self.expect("}")
                break
        return found


def _balanced(function: str, terms: list[Node], ats: list[int]) -> Node:
    """Returns a chain of `&&` or `||` as a balanced tree, so that long chains are not deep."""
    if len(terms) == 1:
        return terms[0]
    middle = len(ats) // 2
    left, right = terms[: middle + 1], terms[middle + 1 :]
    parts = [_balanced(function, left, ats[:middle]), _balanced(function, right, ats[middle + 1 :])]
    return Call(ats[middle], function, parts)

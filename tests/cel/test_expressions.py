"""Expressions: values, errors of evaluation, errors of compilation with their places."""

from __future__ import annotations

import pytest

from fairlead.cel.environment import (
    BOOL,
    DYN,
    STRING,
    CompileError,
    CostExceededError,
    Environment,
    EvaluationError,
)
from fairlead.cel.types import INT, list_of, map_of, struct

OBJECT = {"a": 2, "l": [1, 2, 3], "m": {"x": 1, "y": 2}, "s": "hello", "n": None}
ENV = Environment(
    {"self": DYN, "typed": struct("object", {"count": INT, "items": list_of(STRING), "by": map_of(STRING, INT)})}
)

TRUE = """
self.a + 1 == 3
self.l.all(x, x > 0)
self.l.exists_one(x, x == 2)
self.m.map(k, k).size() == 2
!has(self.zz)
self.l.map(x, x % 2 == 1, x * 10) == [10, 30]
self.l.filter(x, x % 2 == 1) == [1, 3]
self.l.all(i, v, i < v)
self.l.exists(i, v, i == 2 && v == 3)
{'a': 1}.transformMap(k, v, v + 1) == {'a': 2}
self.l.transformList(i, v, i > 0, v) == [2, 3]
{'a': 'b'}.transformMapEntry(k, v, {v: k}) == {'b': 'a'}
self.?zz.orValue(5) == 5
self.?s.or(optional.of('x')).value() == 'hello'
!self.l[?10].hasValue()
optional.of(2).optMap(v, v * 2).orValue(0) == 4
optional.of(self).optFlatMap(v, v.?zz).hasValue() == false
[1, ?optional.of(2), ?optional.none()] == [1, 2]
'abc'.matches('^a.c$')
'x=1;y=2'.findAll('[a-z]=') == ['x=', 'y=']
duration('1h') > duration('30m') && string(duration('90s')) == '90s'
timestamp('2020-02-29T12:00:00Z').getFullYear() == 2020
timestamp('2020-01-01T00:30:00Z').getHours('Europe/Berlin') == 1
timestamp('2020-01-01T00:00:00Z') + duration('24h') == timestamp('2020-01-02T00:00:00Z')
string(timestamp('2011-08-18T19:03:37.01+01:00')) == '2011-08-18T19:03:37.01+01:00'
type(self.a) == int && type(1u) == uint && type(null) == null_type
1u + 2u == 3u && dyn(1) == dyn(1.0) && dyn(1) != dyn('1')
b'abc' == bytes('abc') && string(b'abc') == 'abc'
'%s-%d %.2f %x'.format(['a', 1, 2.5, 255]) == 'a-1 2.50 ff'
'a,b'.split(',') == ['a', 'b'] && ['a', 'b'].join('+') == 'a+b'
'tacocat'.substring(0, 4) == 'taco' && 'tacocat'.lastIndexOf('t') == 6
'  x '.trim() == 'x' && 'ABC'.lowerAscii() == 'abc'
[3, 1, 2].sort() == [1, 2, 3] && [1, 2].isSorted() && [1, 2, 3].sum() == 6
['bb', 'a'].sortBy(e, e.size()) == ['a', 'bb']
[1, 1, 2].distinct() == [1, 2] && [[1], [2]].flatten() == [1, 2] && lists.range(3) == [0, 1, 2]
sets.contains([1, 2], [1]) && sets.equivalent([1, 2], [2, 1]) && sets.intersects([1], [1, 3])
quantity('1Ki').isGreaterThan(quantity('1k')) && quantity('1.5').add(1) == quantity('2500m')
isIP('10.0.0.1') && !isIP('10.0.0') && ip('::1').family() == 6 && ip('127.0.0.1').isLoopback()
cidr('10.0.0.0/8').containsIP('10.1.2.3') && cidr('10.0.0.1/8').masked() == cidr('10.0.0.0/8')
cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && string(ip('10.0.0.1')) == '10.0.0.1'
url('https://user@example.com:80/a?b=c').getHost() == 'example.com:80' && !isURL('nonsense')
url('https://example.com/a?b=c&b=d').getQuery() == {'b': ['c', 'd']}
semver('1.2.3-rc.1').isLessThan(semver('1.2.3')) && semver('v1.2', true).patch() == 0
format.dns1123Label().validate('ok') == optional.none()
format.named('uuid').value().validate('x').value() == ['does not match the UUID format']
!(false && (1 / 0 == 1))
(1 / 0 == 1) || true
self.l.exists(x, x / 0 == 1 || x == 2)
-7 / 2 == -3 && -7 % 2 == -1
r'\\d' == '\\\\d' && '\\x41\\u00e9' == 'Aé'
'a' in ['a', 'b'] && 'k' in {'k': 1} && !(3 in [1, 2])
jsonpatch.escapeKey('k8s.io/a~b') == 'k8s.io~1a~0b'
"""


@pytest.mark.parametrize("source", [line for line in TRUE.splitlines() if line])
def test_expressions_have_the_values_that_the_specification_gives(source: str) -> None:
    assert ENV.compile(source).evaluate({"self": OBJECT}) is True


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("self.zz == 1", "no such key: zz"),
        ("self.n == 1", "no such key: n"),
        ("self.l[3] == 1", "index out of bounds: 3"),
        ("1 / (self.a - 2) == 1", "division by zero"),
        ("1 % (self.a - 2) == 1", "modulus by zero"),
        ("9223372036854775807 + self.a == 1", "integer overflow"),
        ("self.a < 'x'", "no such overload"),
        ("self.l.exists(x, x / 0 == 1)", "division by zero"),
        ("ip(self.s).family() == 4", 'IP Address "hello" parse error during conversion from string'),
        ("quantity(self.s).isInteger()", "quantities must match the regular expression"),
        ("[].max() == self.a", "max called on empty list"),
        ("self.l.slice(0, 9) == []", "cannot slice(0, 9), list is length 3"),
        ("{self.s: 1, dyn('hello'): 2}.size() == 2", "already exists"),
    ],
)
def test_evaluation_errors_say_what_failed(source: str, text: str) -> None:
    with pytest.raises(EvaluationError) as e:
        ENV.compile(source).evaluate({"self": OBJECT})
    assert text in str(e.value)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("foo == 1", "ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')\n | foo == 1\n | ^"),
        ("typed.nope", "ERROR: <input>:1:6: undefined field 'nope'\n | typed.nope\n | .....^"),
        ("1 + 'a' == 1", "ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, string)'"),
        ("typed.count.size()", "found no matching overload for 'size' applied to 'int.()'"),
        ("typed.count.x", "type 'int' does not support field selection"),
        ("typed.items == 1", "found no matching overload for '_==_' applied to '(list(string), int)'"),
        ("typed.by[1] == 1", "found no matching overload for '_[_]' applied to '(map(string, int), int)'"),
        ("[1, 'a']", "ERROR: <input>:1:5: expected type 'int' but found 'string'"),
        ("typed.count && true", "expected type 'bool' but found 'int'"),
        ("typed.count.all(x, true)", "expression of type 'int' cannot be range of a comprehension"),
        ("self.l.all(1, true)", "argument is not an identifier"),
        ("self.l.all(a, a, true)", "duplicate variable name: a"),
        ("has(self)", "invalid argument to has() macro"),
        ("a b", "ERROR: <input>:1:3: Syntax error: mismatched input 'b' expecting <EOF>"),
        ("1 +", "Syntax error: mismatched input '<EOF>' expecting {'[', '{', '('"),
        ("'x'.matches('(')", "invalid matches argument"),
        ("duration('1y') == duration('1s')", "invalid duration argument"),
        ("for == 1", "reserved identifier: for"),
        ("self.x == 'a\nb'", "token recognition error"),
        ("Object{a: 1}", "undeclared reference to 'Object'"),
    ],
)
def test_compile_errors_have_upstreams_texts_and_their_place(source: str, text: str) -> None:
    with pytest.raises(CompileError) as e:
        ENV.compile(source)
    assert text in str(e.value)


def test_result_type_is_checked() -> None:
    with pytest.raises(CompileError, match="must evaluate to bool"):
        ENV.compile("1 + 1", result=BOOL)


def test_lazy_variables_are_computed_once_and_only_if_needed() -> None:
    calls: list[int] = []

    def value() -> int:
        calls.append(1)
        return 3

    program = Environment({"a": INT, "b": BOOL}).compile("b && a == 3 && a > 2")
    assert program.evaluate({"a": value, "b": False}) is False
    assert calls == []
    assert program.evaluate({"a": value, "b": True}) is True
    assert calls == [1]


def test_evaluation_stops_at_the_cost_limit() -> None:
    program = ENV.compile("self.l.all(x, self.l.all(y, self.l.all(z, x + y + z >= 0)))")
    with pytest.raises(CostExceededError, match="actual cost limit exceeded"):
        program.evaluate({"self": {"l": list(range(300))}}, limit=10_000)


def test_constructed_structs_have_declared_fields_only() -> None:
    env = Environment({}, structs={"Object": struct("Object", {"count": INT})})
    assert env.compile("Object{count: 1}").evaluate({}) == {"count": 1}
    with pytest.raises(CompileError, match="undefined field 'x'"):
        env.compile("Object{x: 1}")
    with pytest.raises(CompileError, match="expected type of field 'count' is 'int' but provided type is 'string'"):
        env.compile("Object{count: 'a'}")


def test_long_chains_of_operators_are_not_deep() -> None:
    assert ENV.compile(" && ".join(["true"] * 3000)).evaluate({}) is True
    with pytest.raises(CompileError, match="recursion limit"):
        ENV.compile("(" * 300 + "1" + ")" * 300)

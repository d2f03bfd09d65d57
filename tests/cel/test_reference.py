"""The same expressions in this engine and in the reference implementation (cel-cpp) have the same values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.cel.environment import DYN, CompileError, Environment, EvaluationError

cel = pytest.importorskip("cel_expr_python.cel")

_NAMES = {"i": 7, "d": 2.5, "s": "text", "b": True, "l": [3, 1, 2], "m": {"k": 1}}
_OURS = Environment(dict.fromkeys(_NAMES, DYN))
_THEIRS = cel.NewEnv(variables=dict.fromkeys(_NAMES, cel.Type.DYN))
_FAILED = object()


def _ours(source: str) -> Any:
    try:
        return _OURS.compile(source).evaluate(_NAMES)
    except (CompileError, EvaluationError):
        return _FAILED


def _theirs(source: str) -> Any:
    try:
        found = _THEIRS.compile(source).eval(data=_NAMES)
        return _FAILED if "ERROR" in str(found.type()) else found.plain_value()
    except Exception:  # noqa: BLE001 - the binding raises RuntimeError and others
        return _FAILED


_leaf = st.sampled_from(["i", "d", "s", "b", "l", "m", "1", "-2", "0", "2.0", "'a'", "true", "false", "[1, 2]", "m.k",
                         "l[0]", "l[9]", "m.zz", "'1'", "null"])  # fmt: skip


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.sampled_from(["+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "&&", "||", "in"])
    macro = st.sampled_from(["all", "exists", "exists_one", "filter", "map"])
    return st.one_of(
        st.builds(lambda a, o, b: f"({a} {o} {b})", inner, binary, inner),
        st.builds(lambda a, b, c: f"({a} ? {b} : {c})", inner, inner, inner),
        st.builds(lambda a, m, b: f"{a}.{m}(x, x == {b})", st.sampled_from(["l", "m", "[1, 2]"]), macro, inner),
        st.builds(lambda f, a: f"{f}({a})", st.sampled_from(["size", "string", "!", "-"]), inner),
    )


@given(st.recursive(_leaf, _grow, max_leaves=6))
def test_random_expressions_agree_with_the_reference(source: str) -> None:
    ours, theirs = _ours(source), _theirs(source)
    if ours is _FAILED or theirs is _FAILED:
        assert ours is theirs, (source, ours, theirs)
    else:
        assert type(ours) is type(theirs), (source, ours, theirs)
        assert ours == theirs or ours != ours, (source, ours, theirs)

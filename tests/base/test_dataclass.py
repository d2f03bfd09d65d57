"""Our dataclasses against those of the standard library: the same declarations, the same behaviour."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from fairlead.base import dataclass as own

T = TypeVar("T")


class _Standard:
    """The standard library's functions under the names of ours."""

    dataclass = staticmethod(dataclasses.dataclass)
    field = staticmethod(dataclasses.field)


def _classes(module: Any) -> dict[str, type[Any]]:
    """Returns one class of each form, declared by the module."""

    @module.dataclass(frozen=True, slots=True)
    class Pair:
        """A pair."""

        left: int
        right: str = "r"
        kind: ClassVar[str] = "pair"

        @property
        def both(self) -> str:
            return f"{self.left}{self.right}"

    @module.dataclass(frozen=True, slots=True, kw_only=True)
    class Keyword:
        first: int = 1
        second: str
        many: list[int] = module.field(default_factory=list)

    @module.dataclass(slots=True)
    class Mutable(Generic[T]):
        value: T
        seen: dict[str, int] = module.field(default_factory=dict, repr=False)
        hidden: int = module.field(default=0, compare=False)

    @module.dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        major: int
        minor: int = 0

    @module.dataclass(slots=True, eq=False)
    class Identity:
        value: int = 0

    @module.dataclass(slots=True)
    class Derived(Identity):
        more: int = 0
        twice: int = module.field(init=False)

        def __post_init__(self) -> None:
            self.twice = 2 * self.more

    @module.dataclass(frozen=True, slots=True)
    class Empty:
        pass

    return {c.__name__: c for c in (Pair, Keyword, Mutable, Ordered, Identity, Derived, Empty)}


STANDARD = _classes(_Standard)


def _outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - the error is the outcome
        return type(error).__name__


def _last(value: Any) -> Any:
    return repr(value).rpartition("<locals>.")[2] if not isinstance(value, bool | int | str | tuple) else value


@pytest.mark.parametrize(
    "use",
    [
        lambda c: c["Pair"](1),
        lambda c: c["Pair"](1, right="x"),
        lambda c: c["Pair"](),
        lambda c: c["Pair"](1, 2, 3),
        lambda c: c["Pair"](1, wrong=2),
        lambda c: c["Pair"](1) == c["Pair"](1, "r"),
        lambda c: c["Pair"](1) == c["Pair"](2),
        lambda c: c["Pair"](1) == (1, "r"),
        lambda c: hash(c["Pair"](1)) == hash((1, "r")),
        lambda c: len({c["Pair"](1), c["Pair"](1)}),
        lambda c: c["Pair"](1).both,
        lambda c: c["Pair"].kind,
        lambda c: c["Pair"].__match_args__,
        lambda c: c["Pair"].__doc__,
        lambda c: setattr(c["Pair"](1), "left", 2),
        lambda c: delattr(c["Pair"](1), "left"),
        lambda c: dataclasses.replace(c["Pair"](1), left=5),
        lambda c: dataclasses.asdict(c["Pair"](1)),
        lambda c: [(f.name, f.type, f.init, f.kw_only) for f in dataclasses.fields(c["Keyword"])],
        lambda c: dataclasses.is_dataclass(c["Empty"]),
        lambda c: copy.copy(c["Pair"](1)),
        lambda c: copy.deepcopy(c["Keyword"](second="s", many=[1])),
        lambda c: c["Keyword"](second="s"),
        lambda c: c["Keyword"](1, second="s"),
        lambda c: c["Keyword"].__match_args__,
        lambda c: c["Keyword"](second="a").many is c["Keyword"](second="a").many,
        lambda c: hash(c["Keyword"](second="s")),
        lambda c: c["Mutable"](1),
        lambda c: c["Mutable"][int](1),
        lambda c: c["Mutable"](1, hidden=3) == c["Mutable"](1),
        lambda c: hash(c["Mutable"](1)),
        lambda c: setattr(c["Mutable"](1), "value", 2),
        lambda c: setattr(c["Mutable"](1), "other", 2),
        lambda c: c["Ordered"](1) < c["Ordered"](1, 1),
        lambda c: sorted([c["Ordered"](2), c["Ordered"](1)]),
        lambda c: c["Ordered"](1) >= c["Ordered"](1),
        lambda c: c["Ordered"](1) > 1,
        lambda c: c["Identity"](1) == c["Identity"](1),
        lambda c: c["Identity"](1) < c["Identity"](1),
        lambda c: c["Derived"](1, more=2),
        lambda c: c["Derived"](1, 2) == c["Derived"](1, 2),
        lambda c: c["Derived"].__match_args__,
        lambda c: c["Derived"].__slots__,
        lambda c: c["Empty"]() == c["Empty"](),
        lambda c: len({c["Empty"](), c["Empty"]()}),
    ],
)
def test_a_class_behaves_as_one_of_the_standard_library(use: Callable[[dict[str, type[Any]]], Any]) -> None:
    expected = _last(_outcome(lambda: use(STANDARD)))
    classes = _classes(own)
    for _ in range(20):  # the first instances are made by other code than further ones
        assert _last(_outcome(lambda: use(classes))) == expected


def test_a_mutable_default_is_refused() -> None:
    with pytest.raises(ValueError, match="default_factory"):

        @own.dataclass(frozen=True, slots=True)
        class Wrong:
            values: list[int] = []  # noqa: RUF012 -- the fault


@own.dataclass(frozen=True, slots=True)
class Public:
    value: int


def test_a_frozen_value_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Public(1))) == Public(1)


def test_replace_needs_no_other_module() -> None:
    assert own.replace(Public(1), value=2) == Public(2)


@pytest.mark.slow
def test_classes_with_slots_are_declared_by_this_module() -> None:
    root = Path(own.__file__).parent.parent
    found = {
        str(path.relative_to(root.parent))
        for path in root.rglob("*.py")
        if re.search(r"^from dataclasses import .*\bdataclass\b", text := path.read_text(encoding="utf-8"), re.M)
        and re.search(r"^ *@dataclass\(.*slots=True", text, re.M)
    }
    assert not found, "import dataclass from fairlead.base.dataclass: a start declares 300 classes"


def test_a_declaration_imports_neither_dataclasses_nor_inspect() -> None:
    code = "import sys, fairlead.base.dataclass; print({'dataclasses', 'inspect'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

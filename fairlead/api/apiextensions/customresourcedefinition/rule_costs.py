"""The limits of cost of rules in CEL, and how often the rules of a schema may be evaluated for one object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fairlead.api.apiextensions.structural.node import EMBEDDED
from fairlead.base.dataclass import dataclass, field
from fairlead.machinery.values.status import FieldError, forbidden

if TYPE_CHECKING:
    from fairlead.cel.schemas import SchemaType

Tree = Mapping[str, Any]

RULE_LIMIT = 10_000_000
TOTAL_LIMIT = 100_000_000
MOST = (1 << 64) - 1
_SHOWN = 4
"""Number of rules that are named if all together cost too much."""


@dataclass(slots=True)
class Total:
    """The cost of all rules of a schema."""

    cost: int = 0
    expensive: list[tuple[int, str]] = field(default_factory=list)

    def add(self, path: str, cost: int) -> None:
        self.cost = min(self.cost + cost, MOST)
        if cost >= TOTAL_LIMIT // 100:
            self.expensive = sorted([*self.expensive, (cost, path)], key=lambda one: -one[0])[:_SHOWN]

    def errors(self, path: str) -> Iterator[FieldError]:
        """Yields the errors if all rules together cost too much."""
        if self.cost > TOTAL_LIMIT:
            text = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
            yield from (forbidden(at, text) for _, at in self.expensive)
            what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
            yield forbidden(path, too_much(what, self.cost, TOTAL_LIMIT))


@dataclass(slots=True)
class CostContext:
    """The position of a schema with what its rules need: the type, and how often values of it may occur."""

    schema: Tree
    total: Total = field(default_factory=Total)
    cardinality: int | None = 1
    """The greatest number of values in one object; None if unbounded."""
    parent: CostContext | None = None
    name: str = ""
    made: SchemaType | None = None

    def child(self, schema: Tree, name: str = "") -> CostContext:
        most = self._most_elements()
        count = None if self.cardinality is None or most is None else min(self.cardinality * most, MOST)
        return CostContext(schema, self.total, count, self, name)

    def _most_elements(self) -> int | None:
        match self.schema.get("type"):
            case "object" if isinstance(self.schema.get("additionalProperties"), Mapping):
                found = self.schema.get("maxProperties")
            case "array":
                found = self.schema.get("maxItems")
            case _:
                return 1
        return None if found is None else max(int(found), 0)

    def type(self) -> SchemaType:
        """Returns the type, read off that of the schema around if this is known, because schemas are large."""
        from fairlead.cel.schemas import schema_type  # imports CEL

        if self.made is None:
            around = self.parent.made if self.parent is not None else None
            if around is not None:
                self.made = around.props.get(self.name) if self.name else around.item
            if self.made is None:
                self.made = schema_type(self.schema, root=self.parent is None or bool(self.schema.get(EMBEDDED)))
        return self.made


def too_much(what: str, cost: int, limit: int) -> str:
    """Returns the text of an error about a cost above a limit."""
    factor = cost / limit
    shown = "more than 100x" if factor > 100 else f"{factor:.6f}x" if factor < 1.5 else f"{factor:.1f}x"
    return (
        f"{what} exceeds budget by factor of {shown} (try simplifying the rule, or adding maxItems, maxProperties, and "
        "maxLength where arrays, maps, and strings are declared)"
    )

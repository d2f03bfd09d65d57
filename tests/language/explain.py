"""The texts that `kubectl explain` shows: the `Doc` of every field of every kind."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from fairlead.api.kinds import KINDS
from fairlead.machinery.openapi.schema import Names, components_for

QUESTIONS = ("What", "Whether", "How", "Who", "Why", "When", "Where", "Which")


@dataclass(frozen=True, slots=True)
class Explained:
    field: str
    text: str


def explained() -> Iterator[Explained]:
    """Yields the description of every field, as the OpenAPI document has it."""
    for component, schema in sorted(components_for(KINDS, Names(KINDS)).items()):
        for name, field in schema.get("properties", {}).items():
            yield Explained(f"{component.rpartition('.')[2]}.{name}", field.get("description", ""))


def median_words(texts: list[Explained]) -> float:
    return statistics.median(len(text.text.split()) for text in texts)

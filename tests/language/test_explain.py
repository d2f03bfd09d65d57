"""Texts that users read beside a field or a column: full phrases that can be understood alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from fairlead.api.kinds import KINDS
from fairlead.machinery.openapi.meta import META_COMPONENTS
from fairlead.machinery.openapi.schema import SCALARS, Names, components_for
from fairlead.machinery.schemas.schema import schema_of
from fairlead.node.pods.deciding.ignored import IGNORED
from tests.language.explain import QUESTIONS, Explained, explained, median_words

_PRONOUN = re.compile(r"(It|Its|They|Their|This|That|These|Those)\b")


def _fields_of_requests_and_responses() -> Iterator[Explained]:
    for component, schema in META_COMPONENTS.items():
        for name, field in schema.get("properties", {}).items():
            yield Explained(f"{component.rpartition('.')[2]}.{name}", field.get("description", ""))


def _components() -> Iterator[Explained]:
    for name, schema in (components_for(KINDS, Names(KINDS)) | META_COMPONENTS | SCALARS).items():
        yield Explained(name, schema.get("description", ""))


def _columns() -> Iterator[Explained]:
    for kind in KINDS:
        for column in kind.columns:
            yield Explained(f"{kind.kind} column {column.name}", column.doc)


FIELDS = [*explained(), *_fields_of_requests_and_responses()]
COMPONENTS = list(_components())
ALL = [*FIELDS, *COMPONENTS, *_columns()]


def test_no_explain_text_begins_with_a_question_word_or_a_pronoun() -> None:
    words = tuple(f"{word} " for word in QUESTIONS)
    assert [text for text in ALL if text.text.startswith(words) or _PRONOUN.match(text.text)] == []


def test_every_text_of_a_field_or_column_has_four_words_or_more() -> None:
    assert [text for text in [*FIELDS, *_columns()] if len(text.text.split()) < 4] == []


def test_every_type_has_a_description_of_five_words_or_more() -> None:
    assert [text for text in COMPONENTS if len(text.text.split()) < 5] == []


def test_every_explain_text_ends_as_a_sentence_does() -> None:
    assert [text for text in ALL if not text.text.endswith((".", ")"))] == []


def test_explain_texts_have_a_median_of_nine_words_or_more() -> None:
    assert median_words(list(explained())) >= 9


@pytest.mark.parametrize("said", ["somebody", "nobody", "whoever", "for ever", "unless given"])
def test_explain_texts_avoid_the_banned_idioms(said: str) -> None:
    assert [text for text in ALL if said in text.text.lower()] == []


def test_the_text_of_a_field_that_nodes_ignore_says_so() -> None:
    fields = [schema_of(type).fields[name] for type, names in IGNORED.items() for name in names]
    assert [field.name for field in fields if "ignore" not in field.doc] == []

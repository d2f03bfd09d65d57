"""English in reports in Korean: texts without a translation, and phrases that are not the API's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from fairlead.base.texts import Text, catalogue
from fairlead.explain.diagnose import Diagnosis
from fairlead.explain.report import sentence
from fairlead.explain.words import Message

_PHRASE = re.compile(r"\b[A-Za-z]+ [a-z]{2,}\b")
_LETTERS = re.compile("[A-Za-z]")
_KOREAN = catalogue("fairlead.explain", "ko")
COMMAND = "command"
"""Name of the value of a text that is a command of the shell."""


def english_in(diagnosis: Diagnosis, answers: Iterable[bytes] = ()) -> Iterator[str]:
    """Yields what stays English. `answers` are bodies of the API, whose messages are quoted as they are."""
    strings = {one for answer in answers for one in _strings(msgspec.json.decode(answer))}
    for message in messages(diagnosis):
        yield from (one for one in _untranslated(message) if not _is_quoted(one, strings))


def messages(diagnosis: Diagnosis) -> Iterator[Message]:
    """Yields every text of a report."""
    yield sentence(diagnosis)
    for _, finding in diagnosis.steps:
        yield from (finding.looked_at, finding.cause, *finding.evidence)
        if isinstance(finding.cure, Text):
            yield finding.cure


def _untranslated(message: Message) -> Iterator[str]:
    if not isinstance(message, Text):
        if _PHRASE.search(message):
            yield message
        return
    if _LETTERS.search(re.sub(r"\{\w+\}", "", message.template)) and not re.search(
        "[가-힣]", _KOREAN.render(Text(message.template, dict.fromkeys(message.values, "")))
    ):
        yield message.template
    for name, value in message.values.items():
        if isinstance(value, str | Text) and name != COMMAND:
            yield from _untranslated(value)


def _is_quoted(phrase: str, strings: set[str]) -> bool:
    """Returns whether a phrase is a text of the API, or words of a list there, such as a command."""
    parts = phrase.split(": ")  # reason and message
    return all(any(part in one for one in strings) for part in parts) or set(phrase.split()) <= strings


def _strings(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    for one in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _strings(one)

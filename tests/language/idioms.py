"""The idioms that are counted because they make prose hard to read, and for comparison the plain word *if*."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from tests.language.texts import Text

_RELATIVE = "what who whoever whom whose which how why when where whether whatever"
_PREPOSITIONS = (
    "of in on at to by for from with without about among after before behind beside beyond between into over under "
    "upon as"
)
_OPENERS = frozenset([*_RELATIVE.split(), *_PREPOSITIONS.split()])
"""Relative words and prepositions: a docstring starts with a verb, or names the thing."""

BANNED = {
    "where": re.compile(r"\bwhere\b", re.I),
    "nobody": re.compile(r"\b(nobody|somebody|whoever|everybody)\b", re.I),
    "one's own": re.compile(r"\b(one's own|of its own|of their own)\b", re.I),
    "is no": re.compile(r"\b(is|has|are|have|was) (no|none)\b", re.I),
    "for ever": re.compile(r"\bfor ever\b", re.I),
    "told": re.compile(r"\b(is|are|be|was|were) told\b", re.I),
}
PLAIN = {"if": re.compile(r"\bif\b", re.I)}
OPENER = "opener"


def count(texts: Iterable[Text]) -> Counter[str]:
    """Returns how often each idiom occurs, with `words`, `docstrings` and `opener` (docstrings that open badly)."""
    found: Counter[str] = Counter()
    for text in texts:
        words = text.words
        found["words"] += len(words)
        for name, pattern in (BANNED | PLAIN).items():
            found[name] += len(pattern.findall(text.prose))
        if text.docstring:
            found["docstrings"] += 1
            found[OPENER] += bool(words) and text.prose.lstrip()[:1].isalpha() and words[0].lower() in _OPENERS
    return found


def ratcheted(found: Counter[str]) -> dict[str, int]:
    """The counts that may only fall."""
    return {name: found[name] for name in (*BANNED, OPENER) if found[name]}

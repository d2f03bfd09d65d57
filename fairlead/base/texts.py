"""Texts for users in English and in other languages. Standard library only.

A text is an English template with named values; the template is also the key of its translation, so that code needs no
catalogue to be read. A translation may use the values in another order.

What must stay true: without a translation, or with one that lacks a value, the English text is shown.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib import resources

from fairlead.base.dataclass import dataclass, field

ENGLISH = "en"
LANGUAGES = (ENGLISH, "ko")


@dataclass(frozen=True, slots=True)
class Text:
    """An English template, such as `port {port} is taken`, and its values; a value may be a Text itself."""

    template: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template.format(**self.values)


def text(template: str, /, **values: object) -> Text:
    return Text(template, values)


class Catalogue:
    """The translations into one language, by English template."""

    def __init__(self, language: str, translations: Mapping[str, str]) -> None:
        self.language = language
        self._translations = translations

    def render(self, message: Text) -> str:
        """Returns the text in the language of the catalogue, or in English if it is not translated."""
        values = {name: self.render(one) if isinstance(one, Text) else one for name, one in message.values.items()}
        translated = self._translations.get(message.template)
        if translated is not None:
            try:
                return translated.format(**values)
            except (KeyError, IndexError):
                pass
        return message.template.format(**values)


def language(environment: Mapping[str, str]) -> str:
    """Returns the language of messages by LC_ALL, LC_MESSAGES and LANG (locale(7)); English if it is not known."""
    chosen = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    code = chosen.partition(".")[0].partition("_")[0].lower()
    return code if code in LANGUAGES else ENGLISH


@functools.cache
def catalogue(package: str, language: str) -> Catalogue:
    """Returns the catalogue in a package's file `<language>.toml`; an empty one for English."""
    if language == ENGLISH:
        return Catalogue(language, {})
    raw = resources.files(package).joinpath(f"{language}.toml").read_text("utf-8")
    return Catalogue(language, tomllib.loads(raw))

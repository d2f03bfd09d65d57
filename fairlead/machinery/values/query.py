"""Booleans in query strings, as upstream reads them."""

from __future__ import annotations

from collections.abc import Mapping


def flag(query: Mapping[str, str], name: str) -> bool:
    """Returns false for an absent parameter, `0`, and `false` in upper or lower case; true for any other text, the
    empty one too."""
    value = query.get(name)
    return value is not None and value != "0" and value.lower() != "false"

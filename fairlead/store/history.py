"""What the engines do alike: deciding a write, and how much history is kept.

`decide` is the whole rule of `expected_revision`; both engines ask it, so they cannot disagree.
"""

from __future__ import annotations

from fairlead.store.model import Conflict, Exists, NotFound, StoreError

HISTORY_LIMIT = 10_000
"""Changes kept for `changes_since`; a tenth more may pile up before they are cut in one go."""


def decide_write(key: str, current: int, expected: int | None) -> StoreError | None:
    """Why a write must not happen, if so. `current` is the key's revision, 0 where it does not exist."""
    if expected is None or expected == current:
        return None
    if expected == 0:
        return Exists(key)
    return Conflict(key) if current else NotFound(key)


def decide_delete(key: str, current: int, expected: int | None) -> StoreError | None:
    """Why a delete must not happen, if so."""
    if not current:
        return NotFound(key)
    return None if expected in (None, current) else Conflict(key)

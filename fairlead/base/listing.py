"""Files that may be removed between the listing of their directory and their use."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def unless_removed(path: str) -> Iterator[None]:
    """Ends the block if the file has been removed since it was listed, as package managers do on a host at any time.
    Raises FileNotFoundError if another file is missing."""
    try:
        yield
    except FileNotFoundError:
        if os.path.lexists(path):
            raise

"""UNIX sockets at paths of any length."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def short_path(path: str) -> Iterator[str]:
    """Yields another path of the same socket, which fits into the 107 bytes of an address (unix(7): `sun_path`)."""
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{os.path.basename(path)}"
    finally:
        os.close(folder)

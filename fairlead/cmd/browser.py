"""The user's browser."""

from __future__ import annotations

import os

_VARIABLES = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")


def open_page(url: str) -> bool:
    """Opens a page, and returns whether that is done: by the program that `$BROWSER` names, or on a desktop by the
    desktop's. A program that `$BROWSER` gives by its path is waited for, unless the variable ends with `&`."""
    import webbrowser

    return any(os.environ.get(name) for name in _VARIABLES) and webbrowser.open(url)

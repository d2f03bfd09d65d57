"""The static files of the page, read from the package once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files

from fairlead.base.dataclass import dataclass

INDEX, LOGIN = "index.html", "login.html"
PUBLIC = frozenset({LOGIN, "icon.svg", "login.css", "login.js"})
"""The files of the login page, which are served to everyone."""
_TYPES: Mapping[str, str] = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    body: bytes
    content_type: str
    etag: str


def read_all() -> dict[str, StaticFile]:
    """Returns the files by name."""
    folder = files("fairlead.webui") / "static"
    return {
        entry.name: _file(entry.read_bytes(), _TYPES[entry.name.rpartition(".")[2]])
        for entry in folder.iterdir()
        if entry.name.rpartition(".")[2] in _TYPES
    }


def _file(body: bytes, content_type: str) -> StaticFile:
    return StaticFile(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:20]}"')

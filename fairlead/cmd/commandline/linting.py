"""Reads manifests from files, folders and standard input, and checks them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fairlead.api.kinds import built_in
from fairlead.lint.lint import Result, Source, lint

_HEADER = re.compile(r"""(?:^|[{,])\s*["']?(kind|metadata|spec)["']?\s*:""", re.MULTILINE | re.IGNORECASE)
_ENDINGS = (".yaml", ".yml", ".json")


class NoFilesError(Exception):
    """A file that cannot be read; the text says why."""


class Checked(NamedTuple):
    result: Result
    passed_over: tuple[str, ...]
    """Files of folders that are not manifests."""


def check(names: Sequence[str]) -> Checked:
    """Returns the problems of all files. Raises NoFilesError."""
    sources, passed_over = [], []
    for name in names:
        for shown, path in _files(name):
            content = _read(path)
            if Path(name).is_dir() and not is_manifest(content):
                passed_over.append(shown)
            else:
                sources.append(Source(shown, content))
    return Checked(lint(sources, built_in()), tuple(passed_over))


def is_manifest(content: str) -> bool:
    """Returns whether a file of a folder looks like a manifest; folders also have settings of other programs."""
    return bool(_HEADER.search(content))


def _files(name: str) -> Iterator[tuple[str, Path | None]]:
    path = Path(name)
    if name == "-":
        yield "<stdin>", None
    elif path.is_dir():
        found = sorted(one for one in path.rglob("*") if one.suffix in _ENDINGS and one.is_file())
        if not found:
            raise NoFilesError(f"{name}: the folder contains no {', '.join(_ENDINGS)}")
        for one in found:
            yield str(one), one
    else:
        yield name, path


def _read(path: Path | None) -> str:
    try:
        raw = sys.stdin.buffer.read() if path is None else path.read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as e:
        raise NoFilesError(f"{path}: {os.strerror(e.errno or 0)}") from e
    except UnicodeDecodeError as e:
        raise NoFilesError(f"{path or '<stdin>'}: not UTF-8 (byte {e.start})") from e

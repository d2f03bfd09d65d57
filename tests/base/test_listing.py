"""Files that are removed between a listing and their use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fairlead.base.listing import unless_removed


def test_a_file_that_was_removed_since_the_listing_is_skipped(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).touch()
    sizes = {}
    for entry in sorted(os.scandir(tmp_path), key=lambda e: e.name):
        (tmp_path / "b").unlink(missing_ok=True)
        with unless_removed(entry.path):
            sizes[entry.name] = os.lstat(entry.path).st_size
    assert sizes == {"a": 0, "c": 0}


def test_another_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="other"), unless_removed(str(tmp_path)):
        os.lstat(tmp_path / "other")

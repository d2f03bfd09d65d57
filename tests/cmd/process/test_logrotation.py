"""Logs are rotated while processes write to them."""

from __future__ import annotations

import os
from pathlib import Path

from fairlead.cmd.cluster.paths import open_log
from fairlead.cmd.process.logrotation import rotate, rotate_all


def test_those_who_share_a_log_go_on_writing_to_it_and_its_content_is_kept_once(tmp_path: Path) -> None:
    path = tmp_path / "relay.log"
    one = open_log(path)
    other = os.dup(one)
    try:
        os.write(one, b"a" * 60 + b"\n")
        assert not rotate(path, limit=100)
        os.write(other, b"b" * 60 + b"\n")
        assert rotate(path, limit=100)
        os.write(other, b"c\n")
        os.write(one, b"d\n")
        assert path.read_bytes() == b"c\nd\n"
        assert (tmp_path / "relay.log.1").read_bytes() == b"a" * 60 + b"\n" + b"b" * 60 + b"\n"
        os.write(one, b"e" * 101)
        assert rotate(path, limit=100)
        assert sum(file.stat().st_size for file in tmp_path.iterdir()) == 105
    finally:
        os.close(one)
        os.close(other)


def test_a_log_without_room_for_its_copy_is_cut_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "relay.log"
    path.write_bytes(b"x" * 101)
    (tmp_path / "relay.log.1").mkdir()
    assert rotate(path, limit=100)
    assert path.read_bytes() == b""


def test_rotation_ignores_empty_and_missing_folders(tmp_path: Path) -> None:
    rotate_all(tmp_path)
    rotate_all(tmp_path / "gone")
    assert not rotate(tmp_path / "gone.log")

"""The user to whom an entry point changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.node.runtime.child.entrypoint import user_of_entrypoint, user_of_script


@pytest.mark.parametrize(
    ("line", "user"),
    [
        ('exec gosu redis "$0" "$@"', "redis"),
        ('  exec gosu postgres "$BASH_SOURCE" "$@"', "postgres"),
        ('exec /usr/local/bin/su-exec mysql:mysql "$@"', "mysql"),
        ('[ "$(id -u)" = 0 ] && exec su-exec 999 "$@"', "999"),
        ('exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"', "redis"),
        ('exec setpriv --clear-groups --reuid "mongodb" "$0"', "mongodb"),
        ("exec chroot --userspec=1000:0 / /entry eswrapper", "1000"),
        ('exec gosu "$RUN_AS" "$@"', ""),
        ("# exec gosu redis is for root", ""),
        ("gosu nobody true", ""),
        ('exec "$@"', ""),
    ],
)
def test_a_script_names_the_user_to_whom_it_changes(line: str, user: str) -> None:
    assert user_of_script(f'#!/bin/sh\nset -e\n{line}\nexec "$@"\n') == user


def test_the_script_is_found_on_the_path_and_behind_an_init(tmp_path: Path) -> None:
    (tmp_path / "entry.sh").write_text('#!/bin/bash\nexec gosu node "$0" "$@"\n')
    (tmp_path / "tini").write_bytes(b"\x7fELF")
    env = {"PATH": f"/nowhere:{tmp_path}"}
    assert user_of_entrypoint(["entry.sh", "run"], env) == "node"
    assert user_of_entrypoint(["tini", "--", str(tmp_path / "entry.sh"), "run"], env) == "node"
    assert user_of_entrypoint(["tini", "--", "run"], env) == ""
    assert user_of_entrypoint(["su-exec", "web:web", "run"], env) == "web"


def test_directories_and_missing_files_among_the_arguments_are_no_scripts(tmp_path: Path) -> None:
    assert user_of_entrypoint(["httpd", "-h", str(tmp_path), f"{tmp_path}/missing", ""], {"PATH": "/bin"}) == ""

"""The cause of a start that failed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.cmd.cluster.paths import Paths
from fairlead.cmd.cluster.processes import exit_of_init
from fairlead.cmd.errors import CommandError
from fairlead.cmd.process.causes import StorageWatch, explain_exit, explain_init, last_line, storage_problem
from fairlead.net import linux
from tests.net.sandbox import as_any_user, in_sandbox

GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 3, in main
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "a.py", line 2, in start
    | OSError: [Errno 24] Too many open files: '/proc/self/mounts'
    +------------------------------------
"""
COPY = "/tmp"
"""A folder that the sandbox covers."""


def _full() -> tuple[str, str, list[str]]:
    linux.mount("tmpfs", COPY, "tmpfs", 0, "size=64k")
    before = storage_problem(Paths(Path(COPY)))
    Path(COPY, "ballast").write_bytes(bytes(8192))
    return before, storage_problem(Paths(Path(COPY))), [path.name for path in Path(COPY).iterdir()]


def _read_only() -> str:
    linux.mount("tmpfs", COPY, "tmpfs", linux.MS_RDONLY)
    return storage_problem(Paths(Path(COPY)))


@pytest.mark.kernel
@as_any_user
def test_a_full_disk_is_named_and_nothing_is_left_on_it(ordinary: bool) -> None:
    before, full, left = in_sandbox(_full, ordinary=ordinary)
    assert before == ""
    assert full == "cannot write to /tmp: No space left on device; make room, or set XDG_STATE_HOME to another folder"
    assert left == ["ballast"]


@pytest.mark.kernel
@as_any_user
def test_a_folder_that_cannot_be_written_is_named(ordinary: bool) -> None:
    said = in_sandbox(_read_only, ordinary=ordinary)
    assert said == "cannot write to /tmp: Read-only file system; set XDG_STATE_HOME to a folder that you can write"


def test_a_folder_that_takes_data_is_no_problem(tmp_path: Path) -> None:
    assert storage_problem(Paths(tmp_path)) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_waits_for_room_says_so_once_and_is_given_up_if_none_is_made(tmp_path: Path) -> None:
    said: list[str] = []
    folder = tmp_path / "c"
    watch = StorageWatch(Paths(folder), 100.0, said.append)
    watch.check(104.0)
    assert said == [], "no attempt is made in a start that is short"
    for second in (105.0, 106.0, 110.0):
        watch.check(second)
    assert said == [
        f"cannot write to {folder}: No such file or directory; set XDG_STATE_HOME to a folder that you can write"
    ]
    folder.mkdir()
    watch.check(115.0)
    folder.rmdir()
    watch.check(120.0)
    assert len(said) == 2, "the folder took data meanwhile"
    watch.check(149.0)
    with pytest.raises(CommandError, match="cannot write to"):
        watch.check(154.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GROUP, "OSError: [Errno 24] Too many open files: '/proc/self/mounts'"),
        ("Traceback\n  File\nValueError: a|b - c+d\n\n", "ValueError: a|b - c+d"),
        ("one line without an end", "one line without an end"),
        ("", ""),
    ],
)
def test_the_last_line_of_a_log_is_the_message_of_the_last_error(tmp_path: Path, text: str, expected: str) -> None:
    log = tmp_path / "a.log"
    log.write_text(text)
    assert last_line(log) == expected


def test_a_log_that_is_missing_has_no_last_line(tmp_path: Path) -> None:
    assert last_line(tmp_path / "missing.log") == ""


def test_ends_without_a_line_are_explained() -> None:
    assert explain_exit(1) == "ended with exit code 1"
    assert explain_exit(-signal.SIGKILL) == "ended by SIGKILL"
    assert "no thread could be started; too many processes" in explain_exit(-signal.SIGABRT)


def test_the_end_of_pid_1_is_not_put_down_to_a_component_that_ended_before(tmp_path: Path) -> None:
    log = tmp_path / "sandbox.log"
    log.write_text("agent-node3 ended with -9\n")
    what = "pid 1 of the sandbox, which all processes of the cluster need,"
    assert explain_init(-signal.SIGKILL, log) == f"{what} ended by SIGKILL"
    assert explain_init(None, log) == f"{what} ended"
    log.write_text("Traceback (most recent call last):\nOSError: [Errno 24] Too many open files\n")
    assert explain_init(1, log) == f"{what} ended with exit code 1 (OSError: [Errno 24] Too many open files)"


@pytest.mark.parametrize(("end", "code"), [("os.kill(os.getpid(), 9)", -signal.SIGKILL), ("os._exit(3)", 3)])
def test_the_exit_of_pid_1_is_read_though_its_parent_does_not_wait(end: str, code: int) -> None:
    parent = (
        "import os, sys\n"
        f"if not (child := os.fork()): {end}\n"
        "os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)\n"
        "os.execlp('sh', 'sh', '-c', 'echo; read x')"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", parent], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert exit_of_init(process.pid) == code


def test_the_exit_of_a_sandbox_without_pid_1_is_unknown() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        assert exit_of_init(process.pid) is None

"""Container logs: written, rotated, read back."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from fairlead.base.instant import Instant
from fairlead.node.runtime.logs.logfile import LogFile, LogStream
from fairlead.node.runtime.logs.logread import LogQuery, last_lines, read_log


class Times:
    def __init__(self) -> None:
        self.at = 1_700_000_000.0

    def __call__(self) -> Instant:
        self.at += 1.0
        return Instant(self.at)


def read(path: Path, **query: object) -> str:
    async def main() -> str:
        chunks = read_log(str(path), LogQuery(**query), growing=lambda: False)  # type: ignore[arg-type]
        return b"".join([chunk async for chunk in chunks]).decode()

    return asyncio.run(main())


def test_lines_carry_time_and_stream(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    log = LogFile(str(path), now=Times())
    out, err = LogStream(log, "stdout"), LogStream(log, "stderr")
    out.feed(b"one\ntw")
    err.feed(b"bad\n")
    out.feed(b"o\nrest")
    out.end()
    assert path.read_text() == (
        "2023-11-14T22:13:21.000000000Z stdout F one\n"
        "2023-11-14T22:13:22.000000000Z stderr F bad\n"
        "2023-11-14T22:13:23.000000000Z stdout F two\n"
        "2023-11-14T22:13:24.000000000Z stdout P rest\n"
    )
    assert read(path) == "one\nbad\ntwo\nrest", "no newline that the container did not write"
    assert read(path, tail=2) == "two\nrest"
    assert read(path, tail=0) == ""
    assert read(path, stream="stderr") == "bad\n"
    assert read(path, since=Instant(1_700_000_003.0)) == "two\nrest"
    assert read(path, limit_bytes=5) == "one\nb"
    assert read(path, timestamps=True, tail=1) == "2023-11-14T22:13:24.000000000Z rest"
    assert last_lines(str(path), 2, 6) == "o\nrest"


def test_a_long_line_comes_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    stream = LogStream(LogFile(str(path), now=Times()), "stdout")
    stream.feed(b"x" * 40_000)
    stream.feed(b"y\n")
    assert path.read_text().count(" P ") == 2
    assert read(path) == "x" * 40_000 + "y\n"
    assert read(path, timestamps=True) == "2023-11-14T22:13:21.000000000Z " + "x" * 40_000 + "y\n", "one time a line"


@pytest.mark.parametrize("files", [2, 4, 12])
def test_size_and_number_of_files_are_bounded_and_the_newest_lines_are_kept(tmp_path: Path, files: int) -> None:
    path = tmp_path / "0.log"
    stream = LogStream(LogFile(str(path), now=Times(), max_bytes=500, max_files=files), "stdout")
    for number in range(400):
        stream.feed(f"{number}\n".encode())
    assert len(list(tmp_path.iterdir())) == files
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) <= 500 * files
    lines = read(path).split()
    assert lines == [str(n) for n in range(400 - len(lines), 400)]


def test_following_goes_on_over_a_rotation_and_ends_with_the_container(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    stream = LogStream(LogFile(str(path), now=Times(), max_bytes=300), "stdout")
    stream.feed(b"first\n")
    numbers = iter(range(40))

    def growing() -> bool:
        number = next(numbers, None)
        if number is not None:
            stream.feed(f"{number}\n".encode())
        return number is not None

    async def main() -> bytes:
        chunks = read_log(str(path), LogQuery(follow=True), growing=growing)
        return b"".join([chunk async for chunk in chunks])

    assert asyncio.run(main()).decode().split() == ["first", *(str(n) for n in range(40))]


def test_no_log_is_an_empty_log(tmp_path: Path) -> None:
    assert read(tmp_path / "0.log") == ""


def test_a_log_that_cannot_be_reopened_loses_lines_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    log = LogFile(str(folder / "0.log"), now=Times(), max_bytes=200)
    log.write("stdout", [b"x" * 150])
    shutil.rmtree(folder)
    log.write("stdout", [b"y" * 150])
    log.write("stdout", [b"z"])
    folder.mkdir()
    log.write("stdout", [b"back"])
    log.close()
    assert (folder / "0.log").read_text().endswith(" stdout F back\n")

"""Output that cannot be written: the process goes on, and reports the loss if writing works again."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.base.output import LossyStream


def test_lines_that_find_no_room_are_counted_before_the_next_that_does(tmp_path: Path) -> None:
    path = tmp_path / "log"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    stream = LossyStream(fd)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        print("one", file=stream, flush=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (6, hard))
        stream.write("twotwo\n")
        stream.write("three\n")
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        stream.write("four\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
        os.close(fd)
    assert path.read_text() == "one\ntw(11 bytes of output were lost: File too large)\nfour\n"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_process_outlives_its_output(stream: str) -> None:
    program = (
        "import logging, sys, traceback, warnings\n"
        "from fairlead.base.output import guard_output\n"
        "guard_output()\n"
        f"sys.stdout.write('y' * 100000), print('x', file=sys.{stream}, flush=True), warnings.warn('w')\n"
        "logging.error('e'), traceback.print_stack()\n"
        "sys.exit(7)\n"
    )
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([sys.executable, "-c", program], stdout=full, stderr=full, check=False)
    assert done.returncode == 7


def test_a_character_that_cannot_be_encoded_is_escaped(tmp_path: Path) -> None:
    with open(tmp_path / "log", "wb") as f:
        LossyStream(f.fileno()).write("\udc80\n")
    assert (tmp_path / "log").read_bytes() == b"\\udc80\n"

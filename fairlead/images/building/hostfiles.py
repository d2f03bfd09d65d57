"""Programs of this machine with all that they need elsewhere: libraries, interpreters, and Python's own modules."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator

from fairlead.images.errors import ImageError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LIBRARY = re.compile(r"(/\S+) \(0x")
_SHEBANG = re.compile(rb"#!\s*(?:\S*/env\s+)?(\S+)")
_PYTHON = re.compile(r"python(3(\.\d+)?)?")
_LEFT_OUT = frozenset(("test", "idlelib", "tkinter", "ensurepip", "site-packages", "dist-packages", "turtledemo"))
_SHARED = ("/etc/ssl/certs/ca-certificates.crt", "/etc/services", "/etc/protocols", "/etc/mime.types")


def files_of(programs: Iterable[str]) -> dict[str, str]:
    """Returns paths in an image with the files of this machine that belong there. Raises ImageError."""
    found = {path: os.path.realpath(path) for path in _SHARED if os.path.isfile(path)}
    for program in programs:
        found.update(_program(program))
    return found


def applets() -> list[str]:
    """Returns the names of busybox's applets; empty without busybox on this machine."""
    path = shutil.which("busybox", path=PATH)
    if path is None:
        return []
    done = subprocess.run([path, "--list"], capture_output=True, text=True, check=False)
    return sorted(done.stdout.split())


def _program(name: str) -> Iterator[tuple[str, str]]:
    path = name if name.startswith("/") else shutil.which(name, path=PATH)
    if path is None or not os.path.isfile(path):
        raise ImageError(f'the program "{name}" is not on this machine: install it, or give --base IMAGE that has it')
    real = os.path.realpath(path)
    yield path, real
    yield from _libraries([real])
    with open(real, "rb") as file:
        match = _SHEBANG.match(file.read(256))
    if match:
        yield from _program(match[1].decode(errors="replace"))
    elif _PYTHON.fullmatch(os.path.basename(path)):
        yield from _python(real)


def _libraries(programs: list[str]) -> Iterator[tuple[str, str]]:
    """Yields the libraries that the dynamic loader finds for programs or modules (ldd(1))."""
    done = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False)
    for path in dict.fromkeys(_LIBRARY.findall(done.stdout)):
        yield path, os.path.realpath(path)
        if os.path.basename(path) == "libc.so.6":
            unwinder = os.path.join(os.path.dirname(path), "libgcc_s.so.1")
            if os.path.isfile(unwinder):  # glibc opens it when a thread is cancelled (pthread_exit(3))
                yield unwinder, os.path.realpath(unwinder)


def _python(program: str) -> Iterator[tuple[str, str]]:
    """Yields the standard library of a Python, as that Python itself names its place."""
    code = "import sysconfig; print(sysconfig.get_path('stdlib')); print(sysconfig.get_path('platstdlib'))"
    done = subprocess.run([program, "-I", "-c", code], capture_output=True, text=True, check=False)
    for folder in dict.fromkeys(done.stdout.split()):
        for parent, folders, names in os.walk(folder):
            folders[:] = sorted(set(folders) - _LEFT_OUT)
            for name in sorted(names):
                path = f"{parent}/{name}"
                yield path, os.path.realpath(path)
        modules = glob.glob(f"{folder}/lib-dynload/*.so")
        if modules:
            yield from _libraries(modules)


def python_of(program: str = "python3") -> str:
    """Returns the Python that `program` in an image is. Raises ImageError."""
    path = shutil.which(program, path=PATH)
    if path is None:
        raise ImageError(
            f'the program "{program}" is not on this machine: install it, or give --base IMAGE that has it'
        )
    return path

"""The context of a cluster in the user's kubeconfig: the first file of $KUBECONFIG, or ~/.kube/config.

What must stay true: a command that cannot change the file says so in one line and goes on. The file is locked as
client-go locks it (`FILE.lock`, made with O_EXCL), so that parallel commands and kubectl lose nothing. The paths of
changed files are recorded in the cluster's folder: `down --purge` cleans these files, whatever $KUBECONFIG is then.
"""

from __future__ import annotations

import base64
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fairlead.cmd.cluster import contextedit
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.contextedit import EditError
from fairlead.cmd.cluster.kubeconfig import render
from fairlead.cmd.cluster.paths import Paths, replace_file, state_home, write_private
from fairlead.cmd.errors import CommandError
from fairlead.machinery.values.yamltree import load_yaml

_PAUSE_S = 0.02
_LOCK_ATTEMPTS = 150
"""Together with the pauses 3 s: kubectl holds the lock for milliseconds."""


def target() -> Path:
    """Returns the file to change. Private kubeconfigs of Fairlead, to which `fairlead env` points, are passed over."""
    for text in os.environ.get("KUBECONFIG", "").split(os.pathsep):
        if text and not Path(text).absolute().is_relative_to(state_home()):
            return Path(text).absolute()
    home = os.environ.get("HOME") or os.path.expanduser("~")
    return Path(home).absolute() / ".kube" / "config"


def is_default(file: Path) -> bool:
    """Returns whether kubectl reads this file first in the terminal of this command."""
    first = next(filter(None, os.environ.get("KUBECONFIG", "").split(os.pathsep)), "")
    return not first or Path(first).absolute() == file


def has_context(paths: Paths) -> bool:
    """Returns whether kubectl in the terminal of this command reads a file with the cluster's context."""
    file = target()
    return is_default(file) and str(file) in _recorded(paths)


def add_context(config: ClusterConfig, paths: Paths) -> Path | None:
    """Adds the cluster's context and makes it current. Returns the file, or None after a line of warning."""
    ours = render(config, paths, api_port=config.api_port)

    def edit(text: str) -> str:
        return contextedit.with_context(text, load_yaml(ours)) if text.strip() else ours

    file = target()
    if not _try(file, edit, f"kubectl does not get the context fairlead-{config.name}"):
        return None
    known = _recorded(paths)
    if str(file) not in known:
        with contextlib.suppress(CommandError):  # a full disk: `down --purge` then leaves the context
            write_private(paths.user_kubeconfigs, "".join(f"{one}\n" for one in [*known, str(file)]).encode())
    return file


def remove_context(name: str, paths: Paths) -> None:
    """Removes the cluster's context from every file that `add_context` has changed; prints a line for each failure."""
    try:
        authority = base64.b64encode((paths.pki / "ca.crt").read_bytes()).decode()
    except OSError:
        return
    for path in _recorded(paths):
        if os.path.exists(path):
            _try(
                Path(path),
                lambda text: contextedit.without_context(text, f"fairlead-{name}", authority),
                f"the context fairlead-{name} stays in it",
            )


def _recorded(paths: Paths) -> list[str]:
    try:
        return paths.user_kubeconfigs.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _try(file: Path, edit: Callable[[str], str], consequence: str) -> bool:
    """Changes the file. If that fails, prints one line to stderr and returns False."""
    try:
        with _locked(file):
            _change(file, edit)
    except (OSError, UnicodeDecodeError, EditError) as e:
        reason = e.strerror or str(e) if isinstance(e, OSError) else str(e)
        print(f"fairlead: cannot change {file}: {reason}; {consequence}", file=sys.stderr)
        return False
    return True


def _change(file: Path, edit: Callable[[str], str]) -> None:
    """Replaces the file with its edited text: mode 0600, the same owner; a symbolic link stays one."""
    real = Path(os.path.realpath(file))
    try:
        before, owner = real.read_bytes().decode(), os.stat(real)
    except FileNotFoundError:
        before, owner = "", os.stat(real.parent)
    after = edit(before)
    if after != before:
        replace_file(real, after.encode(), owner=(owner.st_uid, owner.st_gid))


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Holds the lock of client-go."""
    if not file.parent.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = file.with_name(file.name + ".lock")
    for _ in range(_LOCK_ATTEMPTS):
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            break
        except FileExistsError:
            time.sleep(_PAUSE_S)
    else:
        raise EditError(f"another program has locked it; if none runs, delete {lock}")
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(lock)

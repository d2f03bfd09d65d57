"""The zygote's children between fork and exec: namespaces, the root file system, the program.

Standard library only. A child that fails writes the reason to its error pipe, which exec closes.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import os
import signal
import socket
import stat
import termios
from collections.abc import Callable
from functools import cache
from typing import NoReturn

from fairlead.base.dataclass import replace
from fairlead.base.limits import explain_limit
from fairlead.net import linux
from fairlead.node.runtime.child import users
from fairlead.node.runtime.files import rootfs
from fairlead.node.runtime.files.safepath import PathProblem, change_directory
from fairlead.node.runtime.limits import controlgroup, privilege
from fairlead.node.runtime.protocol.containerspec import ConsoleSize, ContainerSpec, ExecSpec

_POD_NAMESPACES = linux.CLONE_NEWNET | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC


def merged(spec: ContainerSpec, further: ExecSpec) -> ContainerSpec:
    """Returns the spec of a further program: the container's rights and directory, with another command line."""
    process = replace(
        spec.process,
        args=further.args,
        env={**spec.process.env, **further.extra_env},
        terminal=further.terminal,
        console_size=further.console_size,
    )
    return replace(spec, process=process)


def prepare(spec: ContainerSpec) -> None:
    """Calculates what containers of one kind have in common. The zygote calls this before a fork, because a child's
    results are lost with it."""
    _filter(spec)
    _ignored_signals()


def pause() -> NoReturn:
    """Stays as the first process of a pod's process namespace, which would end with it. Without rights, and closed to
    the pod's containers: it is a copy of the zygote."""
    os.closerange(0, 1 << 20)
    linux.set_process_name("pause")
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    privilege.bound_capabilities(())
    privilege.set_capabilities(())
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphans are reaped by the kernel
    while True:
        signal.pause()


def run_child(body: Callable[[], None], error_fd: int) -> NoReturn:
    """Runs `body`, which ends in exec; otherwise reports the error to the zygote."""
    try:
        signal.set_wakeup_fd(-1)
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        body()
    except BaseException as error:  # noqa: BLE001 -- a forked child must never return into the zygote's loop
        os.write(error_fd, _explain(error).encode()[:4000])
    os._exit(128)


def _explain(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno == errno.EAGAIN:
        return explain_limit(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) if isinstance(error, PathProblem | users.UserProblem) else repr(error)


def container(spec: ContainerSpec, namespaces: tuple[int, ...], stdio: tuple[int, ...], error_fd: int) -> None:
    """Turns pid 1 of a new pid namespace into the container's program."""
    os.setsid()
    controlgroup.enter(spec.cgroups, new_namespace=True)
    controlgroup.set_oom_score(spec.oom_score_adj)
    for fd in namespaces:
        linux.setns(fd)
    rootfs.build(spec)
    os.umask(0o022)
    change_directory(spec.process.cwd)
    _become_program(users.without_root(users.resolved(spec)), stdio, error_fd)


def command(spec: ContainerSpec, target: int, stdio: tuple[int, ...], error_fd: int) -> None:
    """Runs a further program beside the container's first, in all its namespaces; `target` is a pidfd."""
    os.setsid()
    controlgroup.enter(spec.cgroups, new_namespace=False)
    controlgroup.set_oom_score(spec.oom_score_adj)
    linux.setns(target, _POD_NAMESPACES | linux.CLONE_NEWNS | (linux.CLONE_NEWCGROUP if spec.cgroups else 0))
    os.umask(0o022)
    change_directory(spec.process.cwd)
    _become_program(users.resolved(spec), stdio, error_fd)


def _become_program(spec: ContainerSpec, stdio: tuple[int, ...], error_fd: int) -> NoReturn:
    process = spec.process
    if process.terminal:
        stdio = _open_terminal(stdio[0], process.console_size)
    for number, fd in enumerate(stdio):
        os.dup2(fd, number, inheritable=True)
    _give_stdio(process.user.uid, single_id=spec.single_id)
    _drop_privileges(spec)
    _reset_signals()
    os.dup2(error_fd, 3, inheritable=False)
    os.closerange(4, 1 << 20)
    try:
        if spec.seccomp is not None:  # the profile need not permit more than exec
            privilege.set_filter(bytes.fromhex(spec.seccomp.code), spec.seccomp.flags)
    except OSError as error:
        os.write(3, f"cannot install the seccomp profile: {error.strerror or error}".encode())
        os._exit(128)
    try:
        os.execvpe(process.args[0], process.args, process.env)
    except OSError as error:
        text = _exec_error(process.args[0], error, process.env.get("PATH", ""))
        os.write(3, text.encode())
        os._exit(127 if error.errno == errno.ENOENT else 126)


def _give_stdio(uid: int, *, single_id: bool) -> None:
    """Lets another user open /dev/stdout and /dev/stderr again: pipes and terminals belong to the user who made them.
    With one id, everything has that id."""
    for fd in range(3) if uid and not single_id else ():
        kind = os.fstat(fd).st_mode
        if stat.S_ISFIFO(kind) or os.isatty(fd):
            with contextlib.suppress(OSError):
                os.fchown(fd, uid, -1)


def _exec_error(program: str, error: OSError, path: str) -> str:
    if error.errno == errno.ENOENT:
        places = [program] if "/" in program else [f"{folder}/{program}" for folder in path.split(":")]
        if there := next(filter(os.path.exists, places), ""):
            return f'exec: "{there}": no such file or directory: the program is there, its interpreter or loader is not'
        why = "no such file or directory" if "/" in program else "executable file not found in $PATH"
        return f'exec: "{program}": {why}'
    return f'exec: "{program}": {(error.strerror or "").lower()}'


def _drop_privileges(spec: ContainerSpec) -> None:
    keep, user, single_id = spec.process.capabilities, spec.process.user, spec.single_id
    uid, gid = user.uid, user.gid
    if not (single_id and (uid or gid)):
        # From the loss of its rights until exec this process has the same rights as the container, with the zygote's
        # program, memory and descriptors (CVE-2016-9962). In a nested user namespace the container cannot reach it
        # anyway, and the process could not write its maps.
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
    if spec.process.no_new_privileges:
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    privilege.bound_capabilities(keep)
    if not single_id:
        os.setgroups(user.additional_gids)  # instead of those of the user who started the cluster
    if uid or gid:
        privilege.become(uid, gid, single_id=single_id)
        if single_id:
            privilege.bound_capabilities(keep)  # a new user namespace starts with all
    if spec.privileged:
        privilege.new_session_keyring()
    # A filter needs SYS_ADMIN or no_new_privs. exec takes SYS_ADMIN away: the bounding set lacks it, or the user is not
    # root. Such a user keeps nothing else, so that exec checks the program's mode.
    privilege.set_capabilities((*(() if uid else keep), *(() if spec.process.no_new_privileges else ("SYS_ADMIN",))))
    # After the change of ids, which clears it.
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if program := _filter(spec):
        privilege.set_filter(program)


def _filter(spec: ContainerSpec) -> bytes:
    profile = spec.process.capabilities if spec.seccomp_default and not spec.privileged else None
    return privilege.filter_here(fake_ids=spec.single_id, confined=not spec.privileged, profile=profile)


@cache
def _ignored_signals() -> tuple[int, ...]:
    """Returns the signals that the zygote ignores: exec resets handlers, but programs inherit ignored signals."""
    return tuple(number for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN)


def _reset_signals() -> None:
    for number in _ignored_signals():
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _open_terminal(console: int, size: ConsoleSize | None) -> tuple[int, ...]:
    """Opens a new terminal for the container and sends its master side through `console`."""
    master, slave = os.openpty()
    if size is not None:
        resize(master, size.width, size.height)
    with socket.socket(fileno=os.dup(console)) as sock:
        socket.send_fds(sock, [b"t"], [master])
    os.close(master)
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    return slave, slave, slave


def resize(terminal: int, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, array.array("H", [rows, columns, 0, 0]))

"""Starts a cluster: from settings to a supervisor, in the foreground or in the background (`detach`).

With `detach`, the supervisor is a fork of this process, which saves a second start of the interpreter. The command
prints the supervisor's reports, which come through a pipe, and returns when the cluster is ready or has failed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass, replace
from fairlead.base.limits import explain_limit
from fairlead.base.output import guard_output
from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster.config import DEFAULT_API_PORT, FIRST_FREE_PORT, ClusterConfig
from fairlead.cmd.cluster.lock import PAUSE_S, purge, try_lock
from fairlead.cmd.cluster.merging import FlagValues, merge
from fairlead.cmd.cluster.paths import Paths, make_private, open_log, paths_of
from fairlead.cmd.cluster.state import age_of_process_s, read_run
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.cmd.process.parent import watch_parent
from fairlead.cmd.process.preflight import check_proxy_mode
from fairlead.cmd.program import program
from fairlead.cmd.wiring import hostroutes

if TYPE_CHECKING:
    from fairlead.net.hostlink.plan import HostLink

_SQLITE = b"SQLite format 3\0"
_LEAVING_S = 5.0
"""Time limit for a stopping cluster to release its lock."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Settings, sockets and paths for the supervisor. The lock is held."""

    config: ClusterConfig
    paths: Paths
    apis: Sequence[socket.socket]
    """The API's sockets: on 127.0.0.1, and at `--api-address` if it is set."""
    fresh: bool
    """The cluster's folder contained only the lock."""
    link: HostLink | None
    """The link to make to the host's network."""


@dataclass(frozen=True, slots=True)
class Life:
    """The relation of the cluster to the process that starts it, and to the kubectl of that user."""

    detach: bool = False
    """Return when the cluster is ready, and leave it running."""
    parent: int | None = None
    """The argument of `watch_parent`, or None if the cluster shall outlive its parent."""
    kubeconfig: bool = True
    """Add a context to the user's kubeconfig and make it current."""
    remove: bool = False
    """Delete the cluster's folder when the cluster ends."""


def start_cluster(name: str, given: FlagValues, life: Life, *, clock: Clock) -> int:
    """Starts the cluster. With `detach`, returns when the cluster is ready, otherwise when it has ended."""
    report = _reporter(clock)
    if life.detach and life.parent is not None:
        raise UsageError("--die-with-parent cannot be combined with --detach: omit one of them")
    if life.remove and paths_of(name).config.exists():
        raise CommandError(f'cluster "{name}" exists, and --rm deletes only what it has made: choose another --name')
    watched = None if life.parent is None else watch_parent(life.parent)
    prepared = prepare(name, given, report, clock=clock)
    if life.detach:
        _detach(prepared, clock, report, life)
        _say_ready(prepared, report, life)
        return 0
    with _removed(prepared, life):
        _supervise(prepared, clock, report, lambda: _say_ready(prepared, report, life), parent=watched)
    print(f'cluster "{name}" is down')
    return 0


def prepare(name: str, given: FlagValues, report: Callable[[str], None], *, clock: Clock) -> Prepared:
    """Takes the lock until this process ends, and determines the settings and the API's port.

    If it raises CommandError, it removes everything that it made and nothing else.
    """
    # Wrong use is reported before anything is made. The pool is checked later: it depends on the stored ranges.
    merge(name, None, replace(given, lb_pool=None), has_store=False)
    hostroutes.check_rights(enabled=bool(given.host_routes))
    check_proxy_mode(given.proxy_mode)
    paths = paths_of(name)
    lock = _lock(name, paths, clock=clock)
    fresh = os.listdir(paths.root) == [paths.lock.name]
    try:
        stored = settings.load(paths)
        has_store = _has_store(name, paths) or (stored is not None and stored.etcd is not None)
        config = merge(name, stored, given, has_store=has_store)
        hostroutes.check_rights(enabled=config.host_routes)
        link = hostroutes.plan_link(config, clock=clock)
        api, config = bind_api(config, explicit=given.api_port is not None, report=report)
        apis = (api, *_bind_wide(config))
        make_private(paths.logs)
        settings.save(config, paths)
    except BaseException:
        if fresh:
            purge(paths)
        os.close(lock)
        raise
    return Prepared(config, paths, apis, fresh, link)


def _has_store(name: str, paths: Paths) -> bool:
    """Returns whether the SQLite store has content. Raises CommandError if the file is not a database."""
    try:
        with open(paths.store, "rb") as f:
            head = f.read(len(_SQLITE))
    except FileNotFoundError:
        return False
    if head and head != _SQLITE:
        cure = f"replace it with a whole copy, or delete the objects: fairlead down --purge --name {name}"
        raise CommandError(f"{paths.store} is damaged (not a database); {cure}")
    return bool(head)


def _lock(name: str, paths: Paths, *, clock: Clock) -> int:
    """Takes the lock of the folder, which it makes if missing. Raises CommandError if another process has the lock."""
    deadline = clock.monotonic() + _LEAVING_S
    while True:
        make_private(paths.root)
        with contextlib.suppress(FileNotFoundError):  # another command purged it between the two steps
            lock = try_lock(paths)
            if lock is not None:
                return lock
            run = read_run(paths)
            if run is not None and run.alive():
                stop = f"stop it: fairlead down --name {name}"
                raise CommandError(f'cluster "{name}" is already running (pid {run.pid}); {stop}')
        if clock.monotonic() > deadline:
            raise CommandError(f'cluster "{name}" is being started or stopped by another command; try again')
        time.sleep(PAUSE_S)


def bind_api(
    config: ClusterConfig, *, explicit: bool, report: Callable[[str], None]
) -> tuple[socket.socket, ClusterConfig]:
    """Returns the API's socket on the host. A port of the command line must be free; a stored one may be replaced."""
    low, high = config.node_port_range
    port = config.api_port or DEFAULT_API_PORT
    if not config.api_port and low <= port <= high:
        sock = _listen_outside(config.node_port_range)
        return sock, replace(config, api_port=sock.getsockname()[1])
    try:
        sock = _listen(port)
    except OSError as e:
        if explicit or e.errno != errno.EADDRINUSE:
            reason = "is in use" if e.errno == errno.EADDRINUSE else f"cannot be opened ({os.strerror(e.errno or 0)})"
            raise CommandError(f"port {port} on 127.0.0.1 {reason}; choose another: --api-port PORT") from e
        if config.api_port:
            report(f"port {port} is in use: taking another for the API")
        sock = _listen_outside(config.node_port_range)
    return sock, replace(config, api_port=sock.getsockname()[1])


def _bind_wide(config: ClusterConfig) -> list[socket.socket]:
    """Listens on the same port at `--api-address`, if it is set."""
    if not config.api_address:
        return []
    try:
        family = socket.AF_INET6 if ":" in config.api_address else socket.AF_INET
        return [socket.create_server((config.api_address, config.api_port), family=family, backlog=512)]
    except OSError as e:
        why = "is in use" if e.errno == errno.EADDRINUSE else f"cannot be opened ({os.strerror(e.errno or 0)})"
        raise CommandError(
            f"--api-address: port {config.api_port} on {config.api_address} {why}; "
            "to serve only this machine: --api-address none"
        ) from e


def _listen_outside(node_ports: tuple[int, int]) -> socket.socket:
    """Listens on a port that is not a node port: one chosen by the kernel, or else the first free one."""
    low, high = node_ports
    for port in (*[0] * 8, *range(DEFAULT_API_PORT, 65536), *range(FIRST_FREE_PORT, DEFAULT_API_PORT)):
        if not low <= port <= high:
            with contextlib.suppress(OSError):
                sock = _listen(port)
                if not low <= sock.getsockname()[1] <= high:
                    return sock
                sock.close()
    raise CommandError(f"no port is left for the API outside --node-port-range {low}-{high}: choose --api-port PORT")


def _listen(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=512)


def _supervise(
    prepared: Prepared,
    clock: Clock,
    report: Callable[[str], None],
    on_ready: Callable[[], None],
    *,
    parent: int | None = None,
) -> None:
    from fairlead.cmd.process.supervisor import Supervisor

    guard_output()  # from now on a cluster depends on this process
    supervisor = Supervisor(
        prepared.config, prepared.paths, prepared.apis, link=prepared.link, clock=clock, report=report
    )
    if parent is not None:
        supervisor.end_with(parent)
    try:
        supervisor.run(on_ready)
    except CommandError as e:
        if prepared.fresh and not e.evidence:
            purge(prepared.paths)
        raise


@contextlib.contextmanager
def _removed(prepared: Prepared, life: Life) -> Iterator[None]:
    """Deletes the cluster's folder after the block, if that is asked for."""
    try:
        yield
    finally:
        if life.remove and prepared.paths.root.exists():  # a start that failed may have deleted it
            from fairlead.cmd.cluster import userconfig

            userconfig.remove_context(prepared.config.name, prepared.paths)
            purge(prepared.paths)


def _detach(prepared: Prepared, clock: Clock, report: Callable[[str], None], life: Life) -> None:
    """Starts the supervisor in the background, and returns when the cluster is ready. Raises CommandError."""
    ours, theirs = os.pipe()
    sys.stdout.flush()
    try:
        pid = os.fork()
    except OSError as e:
        raise CommandError(explain_limit(e)) from e
    if pid == 0:
        os.close(ours)
        _daemon(prepared, clock, theirs, life)
    os.close(theirs)
    for sock in prepared.apis:
        sock.close()
    try:
        outcome = _relay_reports(ours, report)
    except KeyboardInterrupt:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        raise
    if outcome != "ready":
        raise CommandError(outcome or _why_ended(pid, prepared.paths))


def _why_ended(pid: int, paths: Paths) -> str:
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0:
        return "another command has stopped the cluster while it started"
    return f"the supervisor died; see {paths.log('supervisor')}"


def _relay_reports(fd: int, report: Callable[[str], None]) -> str:
    """Prints the supervisor's steps; returns `ready`, or its error, or an empty text if it died without one."""
    with os.fdopen(fd, encoding="utf-8") as lines:
        for line in lines:
            kind, text = line[0], line[1:].rstrip("\n")
            if kind != "+":
                return text
            report(text)
    return ""


def _daemon(prepared: Prepared, clock: Clock, pipe: int, life: Life) -> None:
    """Runs the supervisor in a session without a terminal. Never returns."""
    code = 1
    try:
        os.setsid()
        _to_log(prepared.paths)

        def tell(kind: str, text: str) -> None:
            with contextlib.suppress(OSError):  # the command at the other end may have ended
                os.write(pipe, f"{kind}{text}\n".encode())

        def ready() -> None:
            tell("=", "ready")
            os.close(pipe)

        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        try:
            with _removed(prepared, life):
                _supervise(prepared, clock, lambda text: tell("+", text), ready)
            code = 0
        except CommandError as e:
            print(f"fairlead: {e}", file=sys.stderr)
            tell("!", str(e))
        except BaseException as e:
            tell("!", f"internal error: {e!r}; see {prepared.paths.log('supervisor')}")
            raise
    except BaseException:  # noqa: BLE001 - the top of a process
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _to_log(paths: Paths) -> None:
    null = os.open("/dev/null", os.O_RDONLY)
    log = open_log(paths.log("supervisor"))
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)


def _reporter(clock: Clock) -> Callable[[str], None]:
    """Returns a function that prints steps with the time since the command was started."""
    offset = age_of_process_s(os.getpid()) - clock.monotonic()

    def report(text: str) -> None:
        print(f"{clock.monotonic() + offset:7.2f} s  {text}", flush=True)

    return report


def _say_ready(prepared: Prepared, report: Callable[[str], None], life: Life) -> None:
    from fairlead.cmd import kubectl
    from fairlead.cmd.cluster import userconfig  # neither delays the start of the cluster

    if "NOTIFY_SOCKET" in os.environ:
        from fairlead.cmd.process.notify import notify_ready

        notify_ready()
    name = prepared.config.name
    flag = "" if name == "default" else f" --name {name}"
    report(f'cluster "{name}" is ready')
    file = userconfig.add_context(prepared.config, prepared.paths) if life.kubeconfig else None
    # A supervisor in the foreground starts no other programs: it waits for its own children.
    if life.detach and (text := kubectl.advice()):
        print(f"fairlead: {text}", file=sys.stderr)
    if file is not None and userconfig.is_default(file):
        report(f'kubectl uses it: context "fairlead-{name}" in {file}')
        print(f"\nUse it:   {kubectl.typed()} get nodes")
    else:
        print(f'\nUse it:   eval "$({program()} env{flag})" && kubectl get nodes')
    print(f"Stop it:  {'' if life.detach else 'Ctrl-C, or '}{program()} down{flag}", flush=True)

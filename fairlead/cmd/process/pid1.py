"""The loop of the sandbox's pid 1: reaps processes that end, and restarts components.

Pid 1 never runs an event loop or a thread, so that it may fork at any time. It stays small until the first component
dies. Then it imports the shared modules once and serves as the template from then on (see `template`). It holds the
descriptors that must outlive a component: listening sockets, the nodes' network namespaces, and the agents' ends of the
zygotes' sockets. They are plain numbers, because a fork that collects a socket object would close a reused number. If
pid 1 ends, the kernel ends every process of the cluster. Pid 1 ends if the supervisor asks or is gone.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from fairlead.base.clock import Clock
from fairlead.base.limits import descriptor_limit, explain_limit, raise_descriptor_limit, set_descriptor_limit
from fairlead.cmd.cluster.installation import Installation, upgraded
from fairlead.cmd.cluster.paths import Paths, open_log
from fairlead.cmd.errors import CommandError
from fairlead.cmd.process.channel import Channel
from fairlead.cmd.process.components import Attempts, Component
from fairlead.cmd.process.enter import close_others, reset_signals
from fairlead.cmd.process.logrotation import EVERY_S, rotate, rotate_all
from fairlead.cmd.process.messages import Ended, Started, Stop
from fairlead.net import linux

Renewal = Callable[[], tuple[Component, Component]]

GRACE_S = 3.0
EXPLAINED = 78
"""Exit code (EX_CONFIG) of a component whose log ends with the problem and its remedy."""


class Pid1:
    def __init__(
        self,
        channel: Channel,
        paths: Paths,
        *,
        warm: Callable[[], None],
        clock: Clock,
        installation: Installation,
    ) -> None:
        self.channel = channel
        self._paths = paths
        self._warm: Callable[[], None] | None = warm
        self._clock = clock
        self._running: dict[int, Component] = {}
        self._attempts: dict[str, Attempts] = {}
        self._due: dict[str, tuple[float, Component]] = {}
        self._renewals: dict[str, Renewal] = {}
        self._readers: dict[int, Callable[[], None]] = {}
        self._descriptors = descriptor_limit()
        self._installation = installation
        self._next_turn = clock.monotonic() + EVERY_S

    def renew(self, name: str, renewal: Renewal) -> None:
        """Sets the function that makes the successors of `name` and of its one dependant when `name` dies."""
        self._renewals[name] = renewal

    def watch(self, fd: int, reader: Callable[[], None]) -> None:
        """Calls `reader` whenever `fd` is readable."""
        self._readers[fd] = reader

    def start(self, component: Component) -> None:
        """Starts the component. Raises OSError if the fork fails."""
        if component.shares and self._warm is not None:
            warm, self._warm = self._warm, None
            try:
                warm()
            except Exception:  # noqa: BLE001 - the component imports by itself, and then logs the same error
                _print_exception()
        self.supervise(component, self.fork(component))

    def fork(self, component: Component) -> int:
        """Forks the component from the calling process, its template; returns the pid."""
        pid = os.fork()
        if pid == 0:
            self._become(component)
        return pid

    def supervise(self, component: Component, pid: int) -> None:
        """Supervises a process that is a child of pid 1, or becomes one when its template has ended."""
        attempts = self._attempts.setdefault(component.name, Attempts())
        attempts.started = self._clock.monotonic()
        self._running[pid] = component
        self.channel.send(Started(component.name, component.node, attempts.restarts), pid=pid)

    def run(self) -> NoReturn:
        """Runs until the supervisor asks pid 1 to end, or is gone."""
        wake, wake_end = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(wake_end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        poll.register(self.channel.fileno(), select.POLLIN)
        for fd in self._readers:
            poll.register(fd, select.POLLIN)
        raise_descriptor_limit()  # for the sockets that pid 1 holds
        self._reap()
        while True:
            ready = {fd for fd, _ in poll.poll(self._timeout_ms())}
            if wake in ready:
                os.read(wake, 4096)
            if self.channel.fileno() in ready:
                message = self.channel.receive()
                if message is None:
                    os._exit(1)
                if isinstance(message[0], Stop):
                    self._stop()
            for fd in ready & self._readers.keys():
                self._readers[fd]()
            self._reap()
            self._start_due()
            self._rotate_logs()

    def _become(self, component: Component) -> NoReturn:
        code = 1
        try:
            reset_signals()
            set_descriptor_limit(self._descriptors)
            if component.raises_limit:
                raise_descriptor_limit()
            self.channel.sock.detach()
            self._redirect(component)
            if component.netns >= 0:
                _enter_node(component)
            linux.set_process_name(component.name)
            close_others((*component.keep, *component.also_keep()))
            component.main()
            code = 0
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 1
        except CommandError as e:
            code = EXPLAINED
            print(f"{component.name}: {e}", file=sys.stderr)
        except BaseException:  # noqa: BLE001 - the top of a process: goes to its log, and pid 1 restarts it
            _print_exception()
        finally:
            if code and self._installation.is_replaced():
                print(upgraded(self._paths.root.name), file=sys.stderr, flush=True)
            os._exit(code)

    def _redirect(self, component: Component) -> None:
        path = self._paths.log(component.name)
        rotate(path)
        fd = open_log(path)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        os.close(fd)

    def _reap(self) -> None:
        for pid, status in linux.ended_children():
            component = self._running.pop(pid, None)
            if component is not None:
                self._ended(component, os.waitstatus_to_exitcode(status))

    def _ended(self, component: Component, code: int) -> None:
        self.channel.send(Ended(component.name, code))
        print(f"{component.name} ended with {code}", file=sys.stderr, flush=True)
        due = self._attempts[component.name].record_end(self._clock.monotonic())
        renewal = self._renewals.get(component.name)
        if renewal is None:
            self._due.setdefault(component.name, (due, component))
            return
        successor, dependant = renewal()
        self._due[component.name] = (due, successor)
        self._due[dependant.name] = (due, dependant)
        for pid, running in self._running.items():
            if running.name == dependant.name:
                os.kill(pid, signal.SIGKILL)

    def _startable(self) -> list[tuple[float, str]]:
        """Returns the start time and the name of each component that is due.

        Components without shared imports come first, since the imports take 0.3 s.
        """
        running = {c.name for c in self._running.values()}
        order = sorted((c.shares, at, name) for name, (at, c) in self._due.items() if name not in running)
        return [(at, name) for _, at, name in order]

    def _timeout_ms(self) -> int:
        first = min((at for at, _ in self._startable()), default=self._next_turn)
        return max(0, int((min(first, self._next_turn) - self._clock.monotonic()) * 1000) + 1)

    def _rotate_logs(self) -> None:
        now = self._clock.monotonic()
        if now >= self._next_turn:
            self._next_turn = now + EVERY_S
            rotate_all(self._paths.logs)

    def _start_due(self) -> None:
        now = self._clock.monotonic()
        for at, name in self._startable():
            if at <= now:
                component = self._due[name][1]
                try:
                    self.start(component)
                except OSError as error:
                    self._refused(component, error)
                else:
                    del self._due[name]

    def _refused(self, component: Component, error: OSError) -> None:
        """Logs a failed fork and schedules another attempt with back-off: pid 1 must not end because of it."""
        print(f"cannot start {component.name}: {explain_limit(error)}", file=sys.stderr, flush=True)
        self._due[component.name] = (self._attempts[component.name].record_end(self._clock.monotonic()), component)

    def _stop(self) -> NoReturn:
        """Sends SIGTERM to the components, waits up to `GRACE_S`, and exits; the kernel then ends all others."""
        waiting = {pid for pid, c in self._running.items() if c.graceful}
        for pid in waiting:
            os.kill(pid, signal.SIGTERM)
        deadline = self._clock.monotonic() + GRACE_S
        while waiting and self._clock.monotonic() < deadline:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            waiting.discard(pid)
            if pid == 0:
                select.select([], [], [], 0.005)
        os._exit(0)


def _enter_node(component: Component) -> None:
    try:
        linux.setns(component.netns, linux.CLONE_NEWNET)
        linux.unshare(linux.CLONE_NEWUTS)
    except OSError as e:
        raise CommandError(explain_limit(e)) from e
    linux.sethostname(component.node)


def _print_exception() -> None:
    import traceback  # 2 ms and 0.4 MB, and only for errors

    traceback.print_exc()

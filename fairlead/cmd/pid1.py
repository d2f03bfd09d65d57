"""The loop of the sandbox's pid 1: reaps whatever dies, and starts components again.

It never runs an event loop or keeps a thread, so that it may fork at any time. It is small until a component dies for
the first time: then it imports what they share, once, and is their template (see `template`) from there on. It holds
the descriptors that must outlive a component (sockets that listen, the nodes' network namespaces, the agents' ends of
the zygotes' lines) as plain numbers: a socket object that a fork collects would close a number that means something
else by then. Its end is the end of every process of the cluster; it comes when the supervisor asks or is gone.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from fairlead.base.clock import Clock
from fairlead.cmd.channel import Channel
from fairlead.cmd.components import Attempts, Component
from fairlead.cmd.enter import close_others, reset_signals
from fairlead.cmd.paths import Paths, open_log
from fairlead.net import linux

Renewal = Callable[[], tuple[Component, Component]]

GRACE_S = 3.0
_LOG_LIMIT = 8 << 20


class Pid1:
    def __init__(self, channel: Channel, paths: Paths, *, warm: Callable[[], None], clock: Clock) -> None:
        self.channel = channel
        self._paths = paths
        self._warm: Callable[[], None] | None = warm
        self._clock = clock
        self._running: dict[int, Component] = {}
        self._attempts: dict[str, Attempts] = {}
        self._due: dict[str, tuple[float, Component]] = {}
        self._renewals: dict[str, Renewal] = {}

    def renew(self, name: str, renewal: Renewal) -> None:
        """When `name` dies, `renewal` makes its successor and that of the one component that depends on it."""
        self._renewals[name] = renewal

    def start(self, component: Component) -> None:
        if component.shares and self._warm is not None:
            self._warm()
            self._warm = None
        self.adopt(component, self.fork(component))

    def fork(self, component: Component) -> int:
        """The component's process; whoever calls this is its template."""
        pid = os.fork()
        if pid == 0:
            self._become(component)
        return pid

    def adopt(self, component: Component, pid: int) -> None:
        """Looks after a process that is a child of pid 1, or will be when its template has ended."""
        attempts = self._attempts.setdefault(component.name, Attempts())
        attempts.started = self._clock.monotonic()
        self._running[pid] = component
        self.channel.send(
            {"event": "started", "name": component.name, "node": component.node, "restarts": attempts.restarts}, pid=pid
        )

    def run(self) -> NoReturn:
        """Until the supervisor asks for the end, or is gone."""
        wake, wake_end = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(wake_end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        poll.register(self.channel.fileno(), select.POLLIN)
        self._reap()
        while True:
            ready = {fd for fd, _ in poll.poll(self._timeout_ms())}
            if wake in ready:
                os.read(wake, 4096)
            if self.channel.fileno() in ready:
                message = self.channel.receive()
                if message is None:
                    os._exit(1)
                if message[0].get("do") == "stop":
                    self._stop()
            self._reap()
            self._start_due()

    def _become(self, component: Component) -> NoReturn:
        code = 1
        try:
            reset_signals()
            self.channel.sock.detach()
            self._redirect(component)
            if component.netns >= 0:
                linux.setns(component.netns, linux.CLONE_NEWNET)
                linux.unshare(linux.CLONE_NEWUTS)
                linux.sethostname(component.node)
            linux.set_process_name(component.name)
            close_others(component.keep)
            component.main()
            code = 0
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 1
        except BaseException:  # noqa: BLE001 - the top of a process: told in its log, and pid 1 starts it again
            traceback.print_exc()
        finally:
            os._exit(code)

    def _redirect(self, component: Component) -> None:
        path = self._paths.log(component.name)
        with contextlib.suppress(OSError):
            if path.stat().st_size > _LOG_LIMIT:
                path.rename(path.with_suffix(".log.1"))
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
        self.channel.send({"event": "ended", "name": component.name, "code": code})
        print(f"{component.name} ended with {code}", file=sys.stderr, flush=True)
        due = self._attempts[component.name].ended(self._clock.monotonic())
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
        running = {c.name for c in self._running.values()}
        return sorted((at, name) for name, (at, _) in self._due.items() if name not in running)

    def _timeout_ms(self) -> int | None:
        waiting = self._startable()
        return max(0, int((waiting[0][0] - self._clock.monotonic()) * 1000) + 1) if waiting else None

    def _start_due(self) -> None:
        now = self._clock.monotonic()
        for at, name in self._startable():
            if at <= now:
                self.start(self._due.pop(name)[1])

    def _stop(self) -> NoReturn:
        """Asks the components to end and gives them a moment; with pid 1 the kernel ends whatever is left."""
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

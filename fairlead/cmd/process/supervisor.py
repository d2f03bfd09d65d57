"""The supervisor: the cluster ends when this process ends. It stays in the user's namespaces and stays small.

The supervisor holds the lock and the API's socket on the host, opens node ports on request, and starts the sandbox.
The sandbox reports its processes, which the supervisor records in `run.json`. The supervisor has no heavy imports: a
child makes the certificates.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.base.clock import Clock
from fairlead.base.limits import explain_limit
from fairlead.cmd.cluster import kubeconfig
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.installation import installation
from fairlead.cmd.cluster.paths import Paths, open_log
from fairlead.cmd.cluster.state import Component, NodeRecord, Run, start_time
from fairlead.cmd.errors import CommandError
from fairlead.cmd.process import enter, imageservice, preflight
from fairlead.cmd.process.causes import StorageWatch, explain_exit, explain_init, last_line, storage_problem
from fairlead.cmd.process.cgroups import remove_groups
from fairlead.cmd.process.channel import pair
from fairlead.cmd.process.messages import (
    BuildFailed,
    Continue,
    Ended,
    Go,
    MessageError,
    NamespacesRefused,
    Ready,
    Started,
    StepDone,
    Stop,
    Unshared,
    Warm,
)
from fairlead.cmd.process.patience import Patience, busy_s
from fairlead.cmd.process.pid1 import EXPLAINED, GRACE_S
from fairlead.cmd.process.sandbox import Inherited
from fairlead.cmd.process.sandbox import run as run_sandbox
from fairlead.cmd.wiring import hostroutes, pki
from fairlead.net import linux

if TYPE_CHECKING:
    from fairlead.net.hostlink.plan import HostLink
    from fairlead.relay.egresspolicy import EgressPolicy

IDLE_LIMIT_S, START_LIMIT_S = 60.0, 1800.0
"""Time limits of a start: without progress, and in total."""
_DESCRIPTORS = 65536
MOST_FAILED_STARTS = 6
"""Limit of restarts of one component before the cluster is ready for the first time."""


class Supervisor:
    """The supervisor of one cluster."""

    def __init__(
        self,
        config: ClusterConfig,
        paths: Paths,
        apis: Sequence[socket.socket],
        *,
        link: HostLink | None,
        clock: Clock,
        report: Callable[[str], None],
    ) -> None:
        self._config = config
        self._paths = paths
        self._api, self._apis = apis[0], apis
        """The API's socket on 127.0.0.1, and all of its sockets, with that at `--api-address` if it is set."""
        self._link = link
        """The link to the host's network, or None without `--host-routes`."""
        self._clock = clock
        self._report = report
        pid = os.getpid()
        port = self._api.getsockname()[1]
        self._run = Run(pid, start_time(pid) or 0, api=f"https://127.0.0.1:{port}", kubeconfig=str(paths.kubeconfig))
        self._run.installation = installation()
        network = config.network()
        if link is not None:
            self._run.hostLink = link.name
            self._run.hostAddresses = [str(link.host), *([str(link.host6)] if link.host6 else [])]
        self._run.nodes = [
            NodeRecord(name, list(map(str, network.node_ips(i))), list(map(str, network.pod_cidrs_of(i))))
            for i, name in enumerate(config.node_names, 1)
        ]
        self._signals = 0
        self._pki_child = 0
        self._etcd = config.etcd
        self._store_relay = 0
        self._store_sockets: list[socket.socket] = []
        self._image_listener: socket.socket | None = None
        self._image_service = 0
        """The process that pulls images; 0 while no node has asked for an image."""
        self._warm = False
        self._ended_by_itself = False
        self._dirty = True
        self._unwritten = False
        """The last attempt to write `run.json` failed, and the error was logged."""
        self._parent = -1
        self._ready: set[str] = set()
        self._exits: dict[str, int] = {}
        """The last exit code of each component."""

    def end_with(self, parent: int) -> None:
        """Makes the cluster end in order when the descriptor becomes readable."""
        self._parent = parent

    def run(self, on_ready: Callable[[], None]) -> None:
        """Runs the cluster and returns when it has ended on request. Raises CommandError on failure."""
        self._on_ready = on_ready
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)  # so that pid 1, orphaned, can still be waited for
        self._wake = _wake_pipe()
        _raise_limits()
        preflight.check_descriptors()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._run.write(self._paths)
        try:
            self._start_pki()
            self._start_store_relay()
            self._image_listener = imageservice.listen(self._paths)
            self._start_sandbox()
        except OSError as e:
            raise CommandError(explain_limit(e)) from e
        try:
            self._loop()
        finally:
            self._end()

    def _on_signal(self, number: int, _: object) -> None:
        """Counts requests to end. A second Ctrl-C (SIGINT) hurries the end; a second `fairlead down` does not."""
        if not self._signals or number == signal.SIGINT:
            self._signals += 1

    def _start_pki(self) -> None:
        wants = pki.missing(self._config, self._paths.pki, clock=self._clock)
        if not wants:
            kubeconfig.write(self._config, self._paths, api_port=self._api.getsockname()[1])
            return
        self._pki_says, theirs = os.pipe()
        self._pki_child = os.fork()
        if self._pki_child == 0:
            code = 1
            try:
                enter.reset_signals()
                pki.make(wants, self._paths.pki, clock=self._clock)
                kubeconfig.write(self._config, self._paths, api_port=self._api.getsockname()[1])
                code = 0
            except BaseException as e:  # noqa: BLE001 - the top of a process
                why = str(e) if isinstance(e, CommandError) else repr(e)
                os.write(theirs, why.encode(errors="replace")[:4096])
            finally:
                os._exit(code)
        os.close(theirs)

    def _start_store_relay(self) -> None:
        """Starts the relay to an etcd outside, or restarts it after its process died."""
        if self._etcd is None:
            return
        from fairlead.cmd.process import storerelay

        if not self._store_sockets:
            self._store_sockets = storerelay.listen(self._paths, self._etcd)
        self._store_relay = storerelay.start(self._store_sockets, self._etcd)

    def _serve_images(self, poll: select.poll, ready: set[int]) -> None:
        """Starts the pulling service for a connection that waits; it takes the next ones too, until it ends."""
        assert self._image_listener is not None
        listener = self._image_listener.fileno()
        if listener in ready:
            poll.unregister(listener)
            self._image_service = imageservice.start(self._image_listener, self._config, self._paths)
        elif not self._image_service:
            poll.register(listener, select.POLLIN)

    def _start_sandbox(self) -> None:
        self._channel, theirs = pair()
        self._relay, relay_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._dns, dns_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        inherited = Inherited(
            config=self._config,
            paths=self._paths,
            api_fds=tuple(sock.fileno() for sock in self._apis),
            relay_fd=relay_end.fileno(),
            dns_fd=dns_end.fileno(),
            link=self._link,
            started=self._clock.now(),
            installation=self._run.installation,
        )
        log = open_log(self._paths.log("sandbox"))
        pid1: Any = partial(run_sandbox, inherited, theirs, clock=self._clock)
        keep = (*inherited.api_fds, inherited.relay_fd, inherited.dns_fd)
        gc.freeze()  # a collection would write to every object, and the sandbox shares their pages
        self._sandbox = enter.start(theirs, log, keep=keep, pid1=pid1)
        os.close(log)
        theirs.close()
        relay_end.close()
        dns_end.close()
        for sock in self._apis:
            sock.close()  # only the sandbox has it now: when the sandbox ends, connections are refused

    def _loop(self) -> None:
        poll = select.poll()
        for fd in (self._wake, self._channel.fileno(), self._relay.fileno(), self._dns.fileno()):
            poll.register(fd, select.POLLIN)
        if self._parent >= 0:
            poll.register(self._parent, select.POLLIN)
        self._serve_images(poll, set())
        begun = self._clock.monotonic()
        self._patience = Patience(IDLE_LIMIT_S, START_LIMIT_S, begun)
        self._storage = StorageWatch(self._paths, begun, self._report)
        while not self._signals:
            starting = "nodes" not in self._ready
            ready = {fd for fd, _ in poll.poll(1000 if starting or self._dirty else None)}
            if self._wake in ready:
                os.read(self._wake, 4096)
                self._reap()
            if self._channel.fileno() in ready:
                self._receive()
            if self._relay.fileno() in ready:
                self._serve_relay(poll)
            if self._dns.fileno() in ready:
                self._serve_dns(poll)
            self._serve_images(poll, ready)
            if self._dirty:
                self._record()
            if self._parent in ready:
                return
            if starting:
                self._check_progress()

    def _check_progress(self) -> None:
        """Raises CommandError if the start hangs."""
        now = self._clock.monotonic()
        self._patience.sample(now, busy_s(os.getpid()))
        if why := self._patience.problem(now):
            raise self._failed(why, self._paths.logs)
        self._storage.check(now)

    def _failed(self, why: str, log: Path) -> CommandError:
        """Returns the error of a start. If the cluster's folder takes no data, that is the cause, and the logs may lack
        their last lines."""
        if storage := storage_problem(self._paths):
            return CommandError(storage)
        return CommandError(f"{why}; see {log}", evidence=True)

    def _record(self) -> None:
        """Writes `run.json`. If the disk is full, a cluster that is ready goes on, and the write is tried again."""
        try:
            self._run.write(self._paths)
        except CommandError as e:
            if not self._run.ready:
                raise
            if not self._unwritten:
                print(e, file=sys.stderr, flush=True)
            self._unwritten = True
        else:
            self._dirty = self._unwritten = False

    def _reap(self) -> None:
        for pid, status in linux.ended_children():
            if pid == self._pki_child:
                with os.fdopen(self._pki_says, errors="replace") as says:
                    why = says.read().strip()
                if status:
                    code = os.waitstatus_to_exitcode(status)
                    raise CommandError(
                        f"could not make the certificates: {why or f'the process that makes them ended with {code}'}"
                    )
                self._pki_child = 0
                self._go()
            elif pid == self._store_relay:
                self._start_store_relay()
            elif pid == self._image_service:
                self._image_service = 0

    def _go(self) -> None:
        if self._warm and not self._pki_child:
            self._channel.send(Go())

    def _receive(self) -> None:
        received = self._channel.receive()
        if received is None:
            from fairlead.cmd.cluster.processes import exit_of_init

            self._ended_by_itself = True
            log = self._paths.log("sandbox")
            raise self._failed(explain_init(exit_of_init(self._sandbox), log), log)
        message, pid = received
        if not isinstance(message, Ended):
            self._patience.advance(self._clock.monotonic())
        match message:
            case Unshared():
                hostroutes.attach(self._link, self._config, pid)
                self._write_maps(pid)
            case NamespacesRefused(errno=code, error=error):
                raise CommandError(preflight.explain_namespaces(code, error))
            case BuildFailed():
                raise CommandError(message.error, evidence=message.evidence)
            case StepDone():
                self._report(message.text)
            case Warm():
                self._warm = True
                self._go()
            case Started():
                self._started(message, pid)
            case Ended():
                self._ended(message.name, message.code)
            case Ready():
                self._became_ready(message.what, message.text)
            case Continue() | Go() | Stop():
                raise MessageError(f"unexpected message from the sandbox: {message}")

    def _write_maps(self, pid: int) -> None:
        try:
            enter.write_root_maps(pid)
        except OSError as e:
            raise CommandError(preflight.explain_namespaces(e.errno or 0, str(e))) from e
        self._channel.send(Continue())

    def _started(self, message: Started, pid: int) -> None:
        name, restarts = message.name, message.restarts
        component = Component(name, pid, start_time(pid) or 0, restarts, message.node)
        others = [c for c in self._run.components if c.name != name]
        self._run.components = sorted([*others, component], key=lambda c: c.name)
        self._dirty = True
        if restarts >= MOST_FAILED_STARTS and "nodes" not in self._ready:
            log = self._paths.log(name)
            why = last_line(log) or explain_exit(self._exits.get(name, 0))
            raise self._failed(f"{name} ends again and again ({why})", log)

    def _ended(self, name: str, code: int) -> None:
        self._exits[name] = code
        if code == EXPLAINED and "nodes" not in self._ready:
            log = self._paths.log(name)
            raise self._failed(last_line(log) or f"{name} {explain_exit(code)}", log)
        component = self._run.component(name)
        if component is not None:
            component.pid = component.startTime = 0
            self._dirty = True

    def _became_ready(self, what: str, text: str) -> None:
        """Reports that `what` (`api` or `nodes`) is ready; both come again after a restart of the control plane."""
        if what in self._ready:
            return
        self._ready.add(what)
        self._report(text)
        if what == "nodes":
            self._run.ready = True
            self._record()
            self._on_ready()

    def _serve_relay(self, poll: select.poll) -> None:
        from fairlead.relay.host import handle_request

        if not handle_request(self._relay, exposed=self._config.exposed, egress=self._egress()):
            poll.unregister(self._relay)

    def _egress(self) -> EgressPolicy | None:
        if not self._config.egress:
            return None
        from fairlead.relay.egresspolicy import EgressPolicy, parse_refused

        return EgressPolicy(parse_refused(self._config.egress_refuse))

    def _serve_dns(self, poll: select.poll) -> None:
        from fairlead.dns.config import parse_upstreams
        from fairlead.dns.program.host import HostResolvers

        if not HostResolvers(parse_upstreams("upstream", self._config.upstream)).handle_request(self._dns):
            poll.unregister(self._dns)

    def _end(self) -> None:
        """Ends the sandbox, by SIGKILL if necessary, and waits until all its processes have ended."""
        if not self._ended_by_itself:
            self._ask_to_end()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._sandbox, signal.SIGKILL)
        for child in filter(None, (self._store_relay, self._image_service)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        hostroutes.detach(self._link)
        remove_groups(self._paths)
        with contextlib.suppress(OSError):  # harmless if it stays: it names processes that have ended
            self._paths.run_file.unlink()

    def _ask_to_end(self) -> None:
        """Asks the sandbox to end. Returns when it has ended, at the deadline, or at a second signal."""
        with contextlib.suppress(OSError):
            self._channel.send(Stop())
        before = self._signals
        deadline = self._clock.monotonic() + GRACE_S + 2.0
        waiting = [self._wake, self._channel.fileno()]
        while self._signals == before and (left := deadline - self._clock.monotonic()) > 0:
            ready = select.select(waiting, [], [], left)[0]
            if self._wake in ready:
                os.read(self._wake, 4096)
            if self._channel.fileno() in ready and self._channel.receive() is None:
                return


def _raise_limits() -> None:
    """Raises the hard limit of descriptors for the relay (two per connection): impossible inside the sandbox."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, max(hard, _DESCRIPTORS)))


def _wake_pipe() -> int:
    """Returns a descriptor that becomes readable with every signal."""
    wake, wake_end = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(wake_end, False)
    signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
    return wake

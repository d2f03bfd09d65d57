"""The template: a process that imports modules once, forks the components that use them, and ends.

What must stay true: the template is a fork of pid 1 and forks only components, so that they become children of pid 1
when it ends. It ends, because a process that stayed for later forks would hold a copy of every page that a component
writes to (reference counts): 7 MB without use. While pid 1 builds the networks, the template imports and reads the
messages of the supervisor. A component is forked before the modules are imported that only later ones use: it would
keep the old copy of each of their pages that a later component writes to.

Rejected: pid 1 as the template from the start (those 7 MB); importing in each component (0.25 s and 20 MB each);
modules of the API server in the template (10 MB, and agents that start 50 ms later).
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from fairlead.base.dataclass import dataclass
from fairlead.cmd.process.components import Component
from fairlead.cmd.process.pid1 import Pid1
from fairlead.net import linux

_PID_BYTES = 4


@dataclass(frozen=True, slots=True)
class Stage:
    """Components that are forked once `ready` returns and pid 1 has built the networks."""

    ready: Callable[[], None]
    components: tuple[Component, ...]


class Template:
    """Forks the template, which imports while the caller, pid 1, builds what the components need."""

    def __init__(self, stages: Sequence[Stage], pid1: Pid1, *, failed: Callable[[Exception], NoReturn]) -> None:
        """If the template fails, it calls `failed` with the error, and the sandbox ends."""
        self._stages = stages
        self._pid1 = pid1
        self._failed = failed
        self._pids, pids = os.pipe()
        built, self._built = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._built)
            self._start(built, pids)
        os.close(built)
        os.close(pids)

    def _start(self, built: int, pids: int) -> NoReturn:
        try:
            linux.set_process_name("fairlead-fork")
            for stage in self._stages:
                stage.ready()
                os.read(built, 1)  # returns at once for the second stage: pid 1 has closed its end
                for component in stage.components:
                    os.write(pids, self._pid1.fork(component).to_bytes(_PID_BYTES, "big"))
        except Exception as e:  # noqa: BLE001 - the top of a process
            self._failed(e)
        finally:
            os._exit(0)

    def finish(self) -> None:
        """Lets the template fork the components; returns when all run."""
        os.close(self._built)
        for component in (component for stage in self._stages for component in stage.components):
            pid = os.read(self._pids, _PID_BYTES)
            if not pid:
                code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
                if code < 0:  # otherwise it has reported the error
                    name = signal.Signals(-code).name
                    self._failed(ChildProcessError(f"the components' template was ended by {name}"))
                os._exit(1)
            self._pid1.supervise(component, int.from_bytes(pid, "big"))
        os.close(self._pids)


COMMON = (
    "uvloop",
    "aiohttp.web",
    "fairlead.api.authentication.tokenrequest",
    "fairlead.api.core.configmap.kind",
    "fairlead.api.core.event.kind",
    "fairlead.api.core.node.kind",
    "fairlead.api.core.pod.kind",
    "fairlead.api.core.secret.kind",
    "fairlead.api.core.service.kind",
    "fairlead.api.discovery.endpointslice.kind",
    "fairlead.api.networking.servicecidr.kind",
    "fairlead.runtime.events",
    "fairlead.runtime.informer",
    "fairlead.runtime.serving",
    "fairlead.runtime.typed",
    "fairlead.service.endpoints",
    "fairlead.service.frontends",
    "fairlead.service.node",
)
"""Modules of the control plane and of the agents. The control plane imports the others itself: while the template
imports those of the agents, on another processor, and because pages that both had would be copied."""


def warm() -> None:
    """Imports the modules of all components."""
    warm_relay()
    warm_common()
    warm_control_plane()
    warm_nodes()


def warm_relay() -> None:
    """Imports no list of kinds: the relay needs three of them."""
    from fairlead.cmd.wiring import relay

    _import(relay.WARM)
    gc.freeze()


def warm_common() -> None:
    _import(COMMON)
    _prepare_decoders()
    gc.freeze()


def warm_control_plane() -> None:
    from fairlead.cmd.wiring import controlplane

    _import(controlplane.WARM)
    _prepare_decoders()
    gc.freeze()


def warm_nodes() -> None:
    from fairlead.cmd.wiring import agent

    _import(agent.WARM)
    _prepare_decoders()
    gc.freeze()


def warm_tls(pki: Path) -> None:
    """Needs the certificates."""
    from fairlead.cmd.wiring import tls

    tls.prepare(pki)
    gc.freeze()


def _import(names: Sequence[str]) -> None:
    """Imports the modules without the work that the cluster does not need of them."""
    import mimetypes

    # aiohttp would read and copy the host's table of file names' types (0.4 MB), and every answer here states its type.
    mimetypes.knownfiles.clear()
    with _no_authorities():
        for name in names:
            import_module(name)


@contextmanager
def _no_authorities() -> Iterator[None]:
    """Hides the host's certificate authorities: aiohttp reads them at import (40 ms), and the cluster uses its own."""
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = os.devnull
    try:
        yield
    finally:
        if before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = before


def _prepare_decoders() -> None:
    """Makes a decoder of every kind that is loaded, so that components share the work. Excluded from garbage collection
    afterwards, as all that was imported: a collection would write to its pages.

    msgspec reads a type's annotations at its first decoder and stores the result with the type, 35 ms for all kinds.
    """
    from msgspec.json import Decoder

    from fairlead.api.kinds import built_in
    from fairlead.machinery.kinds.declared import is_loaded

    for kind in filter(is_loaded, built_in()):
        Decoder(kind.type)

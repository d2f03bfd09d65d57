"""The process that components are forked from: imports once what they share, forks them, and ends.

What must stay true: it is a fork of pid 1 and forks nothing but components, so that at its end they are pid 1's own
children, as if pid 1 had forked them. It ends, because a process that stayed for later forks would keep a copy of
every page that each component has copied by writing to it (counts of references): 7 MB for nobody. Until it has
ended pid 1 waits, and what comes from the supervisor is the template's to read.

Rejected: pid 1 as the template from the start (those 7 MB); importing in each component (0.25 s and 20 MB each).
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import NoReturn

from fairlead.cmd.process.components import Component
from fairlead.cmd.process.pid1 import Pid1
from fairlead.net import linux

_PID_BYTES = 4


@dataclass(frozen=True, slots=True)
class Stage:
    """Components that are forked once `ready` returns."""

    ready: Callable[[], None]
    components: tuple[Component, ...]


def start_all(pid1: Pid1, stages: Sequence[Stage], *, failed: Callable[[Exception], NoReturn]) -> None:
    """Starts the components by way of a template; returns when all are there. Where the template fails it says why
    by `failed`, and that is the end of the sandbox."""
    reading, writing = os.pipe()
    template = os.fork()
    if template == 0:
        try:
            linux.set_process_name("fairlead-fork")
            os.close(reading)
            for stage in stages:
                stage.ready()
                for component in stage.components:
                    os.write(writing, pid1.fork(component).to_bytes(_PID_BYTES, "big"))
        except Exception as e:  # noqa: BLE001 - the top of a process
            failed(e)
        finally:
            os._exit(0)
    os.close(writing)
    for component in (component for stage in stages for component in stage.components):
        told = os.read(reading, _PID_BYTES)
        if not told:
            code = os.waitstatus_to_exitcode(os.waitpid(template, 0)[1])
            if code < 0:  # otherwise it has said why
                failed(ChildProcessError(f"the components' template was ended by {signal.Signals(-code).name}"))
            os._exit(1)
        pid1.adopt(component, int.from_bytes(told, "big"))
    os.close(reading)


def warm() -> None:
    """All that any component needs."""
    warm_control_plane()
    warm_nodes()


def warm_control_plane() -> None:
    from fairlead.cmd.wiring import controlplane

    _import(controlplane.WARM)
    _prepare_decoders()
    gc.freeze()


def warm_nodes() -> None:
    from fairlead.cmd.wiring import agent as agentproc
    from fairlead.cmd.wiring import relay as relayproc

    _import((*agentproc.WARM, *relayproc.WARM))
    gc.freeze()


def _import(names: Sequence[str]) -> None:
    """The collector leaves alone what is imported here: see `gc.freeze`."""
    with _no_authorities():
        for name in names:
            import_module(name)


@contextmanager
def _no_authorities() -> Iterator[None]:
    """aiohttp reads the host's authorities when it is imported (40 ms), and the cluster trusts its own only."""
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
    """msgspec reads a type's annotations at its first decoder, 35 ms for all kinds, and keeps what it found with the
    type: every component would do so for itself."""
    from msgspec.json import Decoder

    from fairlead.api.kinds import built_in

    for kind in built_in():
        Decoder(kind.type)

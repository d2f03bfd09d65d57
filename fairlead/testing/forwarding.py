"""A port of this machine that leads to a Service, through `kubectl port-forward`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence

from fairlead.net import linux

_LINE = re.compile(r"Forwarding from 127\.0\.0\.1:([0-9]+) ")


class ForwardingError(Exception):
    """kubectl could not forward the port; the text is its error."""


class Forwarding:
    """A running `kubectl port-forward`, which ends with this process."""

    def __init__(self, kubectl: Sequence[str], target: tuple[str, str], environment: Mapping[str, str]) -> None:
        """`target`: the Service and its port. Raises ForwardingError."""
        service, port = target
        self._process = subprocess.Popen(
            [*kubectl, "port-forward", "--address", "127.0.0.1", f"service/{service}", f":{port}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            text=True,
            preexec_fn=_die_with_parent,
        )
        self.port = self._read_port()

    def _read_port(self) -> int:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        found = _LINE.match(self._process.stdout.readline())
        if found is None:
            error = self._process.stderr.read().strip()
            self.stop()
            raise ForwardingError(error or "kubectl port-forward ended")
        return int(found.group(1))

    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def _die_with_parent() -> None:
    import signal

    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)

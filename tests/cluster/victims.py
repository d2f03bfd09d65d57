"""The processes of a running cluster that a test may kill, by kind: all are below pid 1."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.support import Cluster

KINDS = ("control-plane", "relay", "agent", "zygote", "dns", "container")
CONTAINERS = frozenset({"dns", "container", "all containers"})
GROUPS: tuple[tuple[str, ...], ...] = (
    *((kind,) for kind in KINDS),
    ("all agents",),
    ("all zygotes",),
    ("all containers",),
    ("relay", "control-plane"),
    ("agent", "zygote"),
    ("all agents", "all zygotes"),
    ("control-plane", "all agents"),
    ("dns", "container", "relay"),
    ("control-plane", "relay", "all agents", "all zygotes"),
)
"""Groups that are killed at once; `all` is each of the kind, otherwise one is drawn at random."""


_DNS = "/fairlead/dns/program/start.py"


@dataclass(frozen=True)
class Victims:
    cluster: Cluster

    def kill(self, group: Sequence[str], rng: random.Random) -> set[str]:
        """Returns the names of the components that it killed."""
        named = {c["pid"]: c["name"] for c in self.components()}
        pids = {pid for what in group for pid in self._pids(what, rng)}
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return {named[pid] for pid in pids & named.keys()}

    def restarts(self) -> dict[str, int]:
        return {c["name"]: c["restarts"] for c in self.components()}

    def _pids(self, what: str, rng: random.Random) -> list[int]:
        if what.startswith("all "):
            return self._of(what.removeprefix("all ").removesuffix("s"))
        found = sorted(self._of(what))
        return [rng.choice(found)] if found else []

    def _of(self, kind: str) -> list[int]:
        if kind in ("dns", "container"):
            programs = {pid: program(pid) for zygote in self._of("zygote") for pid in children(zygote)}
            return [pid for pid, words in programs.items() if words and (_DNS in words) == (kind == "dns")]
        return [c["pid"] for c in self.components() if c["pid"] and (c["name"] + "-").startswith(kind + "-")]

    def components(self) -> list[dict[str, Any]]:
        """Returns the components from the supervisor's file; a component that is being restarted has pid 0."""
        found: list[dict[str, Any]] = json.loads((self.cluster.state / "run.json").read_text())["components"]
        return found


def children(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        yield from map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def program(pid: int) -> str:
    """Returns the command line, empty for a process that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""

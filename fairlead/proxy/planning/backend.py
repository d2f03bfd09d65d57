"""What turns Services into rules of one kernel: the seam between the proxy's loop and nftables or iptables.

A backend is for one network namespace, one address family and one `ProxierConfig`, which it is made with: which clients
are from outside, where node ports answer, who is masqueraded. The loop (`loop.py`) says which Services changed and when
it is time; it knows nothing of tables, chains or elements. A backend plans, remembers what the kernel has of
it, and makes the difference. Shared by all: which endpoints and which addresses (`fairlead.service`), health
checks, metrics, forgotten flows, waiting, coalescing and trying again. What every backend has to keep:

- **Planning is pure.** `plan` reads and writes nothing outside of this process; the loop calls it for many Services
  without a look at the kernel in between, and lets other tasks have a turn between batches. The plan of a Service
  depends on the Service, its slices and the node; only the places of many endpoints depend on its plan before
  (`incremental.py`).
- **The cost of a change is the change's.** `plan` and `apply` may not walk all Services or read the kernel's table
  (where the kernel's own interface makes a change cost the table, as that of iptables does, only that cost is borne).
- **A predecessor's rules are taken over.** The first call after `plan` is `resync`: it reads what the kernel holds,
  whoever wrote it, and leaves what is right as it is; rules of ours that nobody wants any more go; rules that are to
  replace others are complete before packets come to them. Traffic goes on throughout. `resync` also repairs, and is
  what follows a refusal: the mirror is worth nothing then.
- **Others' rules are never touched.** A backend's own are told by their names alone.
- **Done, or told.** Where the kernel refuses a part of a change, `apply` and `resync` return what was done and the
  refusal (`Outcome.refused`); they raise KernelError where nothing can be said of what was done. After `apply` the
  loop comes back with `resync`. A part that `resync` cannot carry out holds back no other part: the mirror is right,
  and the loop tries that part again later. What was planned stays planned; the loop may call `plan` again for the
  same Services.
- **Deleting what is unused may fail.** Chains that nothing leads to are harmless: their deletion is tried after all
  else, in a transaction of its own, and again at the next `tidy` if the kernel refuses it.
- **Gone without a trace.** `cleanup` removes all rules of the backend in its family, however they got there; it works
  on a backend that was only just made, and where there is nothing. On a switch of modes it is called once another
  backend's rules are complete: for a moment packets meet both, first the one whose hooks come first, and either's
  answer is right. Connections that the old rules translated go on, since the kernel remembers how.
- UDP flows: `endpoints_of` says from the plans alone who may answer at an address; `apply` and `resync` name the
  frontends of which that has changed.

A call may take its time (a program is run, many elements are sent): it is a coroutine, and there is one call at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, Protocol

from fairlead.api.core.service.kind import Service
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.base.metrics import Family, Labels
from fairlead.net.errors import KernelError
from fairlead.service.node import NodeView

Address = tuple[str, int]
"""An endpoint's address and port."""


class Source(NamedTuple):
    """What one Service's rules come from."""

    service: Service | None
    """None: it is gone."""
    slices: Collection[EndpointSlice]


class UdpFrontend(NamedTuple):
    """An address and port that UDP clients send to."""

    ip: str
    """Empty for a node port: at any address of the node."""
    port: int


class Outcome(NamedTuple):
    """What the kernel was brought to do. A tuple, because there is one for each change."""

    changes: int = 0
    """Elements or rules that came, went or changed."""
    structure: int = 0
    """Chains that came or were written anew, where a backend counts them apart."""
    replaced: bool = False
    """All was written anew."""
    frontends: frozenset[UdpFrontend] = frozenset()
    """Those behind which the endpoints are not what they were."""
    refused: KernelError | None = None
    """Why a part was not done; what the other fields say was."""
    given_up: bool = False
    """So many parts were refused that the rest was not tried: the kernel's rules are not in line."""

    @property
    def anything(self) -> bool:
        return bool(self.changes or self.structure or self.replaced)


NOTHING_DONE = Outcome()

NoLocal = Mapping[str, Collection[str]]
"""By Service, which traffic finds no endpoint on the node and may go to no other: `internal`, `external`."""


class EndpointLookup(Protocol):
    def endpoints_of(self, frontend: UdpFrontend) -> frozenset[Address] | None:
        """Who may answer there; None where no Service of this family is. From the plans made so far."""
        ...


class Backend(EndpointLookup, Protocol):
    """One family's rules in one network namespace. Not for use by two tasks at once."""

    @property
    def mode(self) -> str:
        """As upstream's `/proxyMode` and `mode` of its configuration say it."""
        ...

    @property
    def services(self) -> int:
        """How many Services have rules."""
        ...

    def plan(self, changed: Mapping[str, Source], *, node: NodeView) -> NoLocal:
        """Plans these Services anew, by `namespace/name`. Says of each of them whether it lacks local endpoints."""
        ...

    async def apply(self) -> Outcome:
        """Makes the kernel follow what was planned since the last `apply` or `resync`, up to the first refusal. Raises
        KernelError."""
        ...

    async def resync(self) -> Outcome:
        """Reads what the kernel holds and makes it what it should be, but for the parts that the kernel refuses even
        alone. Raises KernelError."""
        ...

    async def tidy(self) -> None:
        """Called at every period's look, when the mirror is right: the time for what changes leave behind and what
        does no harm. Costs next to nothing where nothing changed. A refusal is counted, and tried again at the next
        call."""
        ...

    def touched(self) -> bool:
        """Whether somebody else may have changed the rules since. Costs next to nothing. Raises KernelError."""
        ...

    def families(self, labels: Labels, *, failures: int, cleanup_failures: int) -> Iterable[Family]:
        """What only this backend counts, under upstream's names: `failures` of changes go by a name of the mode's."""
        ...

    async def cleanup(self) -> bool:
        """Removes all of its rules; returns whether there were any. Raises KernelError."""
        ...

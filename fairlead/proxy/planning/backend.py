"""The interface between the proxy's loop and a backend, which turns Services into rules of nftables or iptables.

A backend serves one network namespace, one address family and one `ProxierConfig`. The configuration says which
clients are external, at which addresses node ports answer, and which clients are masqueraded. The loop (`loop.py`)
passes the changed Services and decides when to apply them; it knows no tables, chains or elements. A backend plans,
remembers the kernel's content, and applies the difference. All backends share the choice of endpoints and addresses
(`fairlead.service`), health checks, metrics, the deletion of stale conntrack entries, waiting, coalescing and
retries. Every backend must keep this contract:

- **Planning is pure.** `plan` reads and writes only this process. The loop calls it for many Services without
  access to the kernel in between, and yields to other tasks between batches. The plan of a Service depends on the
  Service, its slices and the node; only the places of many endpoints depend on the plan before (`incremental.py`).
- **A change costs only itself.** `plan` and `apply` must not walk all Services or read the kernel's table. If the
  kernel's own interface makes a change cost the table, as that of iptables does, only that cost is accepted.
- **A predecessor's rules are taken over.** The first call after `plan` is `resync`. It reads the kernel's rules,
  whichever process wrote them, and leaves right ones alone. Unneeded rules of ours are deleted. New rules are
  complete before packets reach them, and traffic goes on throughout. `resync` also repairs foreign changes, and it
  follows a refusal, because the mirror is worthless then.
- **Foreign rules are never touched.** A backend recognises its own rules by their names alone.
- **Refusals are reported.** If the kernel refuses a part of a change, `apply` and `resync` return what was done and
  the refusal (`Outcome.refused`). They raise KernelError if it is unknown what was done. After a failed `apply`
  the loop calls `resync`. A part that `resync` cannot carry out holds back no other part: the mirror is right, and
  the loop tries that part again later. Plans stay planned; the loop may call `plan` again for the same Services.
- **Deletion of unused chains may fail.** Such chains are harmless. They are deleted after all else, in a
  transaction of their own, and again at the next `tidy` if the kernel refuses.
- **Cleanup is complete.** `cleanup` removes all rules of the backend in its family, whatever their origin. It also
  works on a new backend, and if there are no rules. On a switch of modes it is called once the other backend's
  rules are complete. For a moment packets meet both, first the rules whose hooks come first, and both answer
  rightly. Connections that the old rules translated go on, since the kernel remembers the translation.
- **UDP flows are known.** `endpoints_of` returns from the plans alone which endpoints may answer at an address.
  `apply` and `resync` return the frontends whose endpoints changed.

A call may take long (it runs a program, or sends many elements), so it is a coroutine. There is one call at a time.
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
    """The inputs for the rules of one Service."""

    service: Service | None
    """None: the Service was deleted."""
    slices: Collection[EndpointSlice]


class UdpFrontend(NamedTuple):
    """An address and port that UDP clients send to."""

    ip: str
    """Empty for a node port, which answers at any address of the node."""
    port: int


class Outcome(NamedTuple):
    """The result of a change in the kernel. A tuple for speed, because each change makes one."""

    changes: int = 0
    """Number of elements or rules that were added, deleted or changed."""
    structure: int = 0
    """Number of chains added or rewritten, if the backend counts them separately."""
    replaced: bool = False
    """All rules were rewritten."""
    frontends: frozenset[UdpFrontend] = frozenset()
    """Frontends whose endpoints changed."""
    refused: KernelError | None = None
    """Why a part was not done; the other fields describe the parts that were done."""
    given_up: bool = False
    """The rest was not tried after many refusals: the kernel's rules are out of sync."""

    @property
    def anything(self) -> bool:
        return bool(self.changes or self.structure or self.replaced)


NOTHING_DONE = Outcome()

NoLocal = Mapping[str, Collection[str]]
"""The traffic, by Service, without an endpoint on the node that may not go elsewhere: `internal`, `external`."""


class EndpointLookup(Protocol):
    def endpoints_of(self, frontend: UdpFrontend) -> frozenset[Address] | None:
        """Returns the endpoints that may answer there, from the plans so far; None without a Service of this
        family."""
        ...


class Backend(EndpointLookup, Protocol):
    """One family's rules in one network namespace. Not for concurrent use by two tasks."""

    @property
    def mode(self) -> str:
        """The mode's name in upstream's `/proxyMode` and in `mode` of its configuration."""
        ...

    @property
    def services(self) -> int:
        """Returns the number of Services that have rules."""
        ...

    def plan(self, changed: Mapping[str, Source], *, node: NodeView) -> NoLocal:
        """Plans these Services anew, by `namespace/name`. Returns for each of them whether it lacks local
        endpoints."""
        ...

    async def apply(self) -> Outcome:
        """Applies all plans since the last `apply` or `resync` to the kernel, up to the first refusal. Raises
        KernelError."""
        ...

    async def resync(self) -> Outcome:
        """Reads the kernel's rules and corrects them, except for parts that the kernel refuses even alone. Raises
        KernelError."""
        ...

    async def tidy(self) -> None:
        """Deletes harmless leftovers of changes. Called at every periodic check, when the mirror is right.

        Costs almost nothing if nothing changed. A refusal is counted, and tried again at the next call."""
        ...

    def touched(self) -> bool:
        """Returns whether a foreign program may have changed the rules since. Costs almost nothing. Raises
        KernelError."""
        ...

    def families(self, labels: Labels, *, failures: int, cleanup_failures: int) -> Iterable[Family]:
        """Returns the metrics of this backend alone, under upstream's names. `failures` of changes have a name of
        the mode."""
        ...

    async def cleanup(self) -> bool:
        """Removes all rules of the backend; returns whether there were any. Raises KernelError."""
        ...

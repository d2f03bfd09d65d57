"""Chooses a Service's endpoints again after a change: faster than `endpoints.choose`, with targets in stable
places.

What must stay true: the sets of targets equal those of `endpoints.choose`. Their order depends on the past only if
they are many: they keep their places while others come and go, so that a backend writes as little as possible. For
such Services the parts of each slice are kept, and slices that are still the same objects are skipped."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from fairlead.api.core.service.spec import ServicePort
from fairlead.api.core.service.types import Service
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.proxy.planning.placing import NO_ORDER, Order, ordered, rearranged
from fairlead.service.endpoints import Chosen, SliceTargets, Target, choose, merge, of_slice
from fairlead.service.node import NodeView


class _OfPort(NamedTuple):
    """The choice for one port of a Service."""

    pieces: Sequence[SliceTargets] = ()
    cluster: Order = NO_ORDER
    local: Order = NO_ORDER
    all_ready: tuple[bool, bool] = False, False
    """True if the cluster's and the node's targets are all of the ready ones: none terminating, no preferred
    subset."""


class _Memo(NamedTuple):
    """The choice for a Service with many targets."""

    service: Service
    node: NodeView
    ports: Sequence[_OfPort]


class Chooser:
    """Remembers the choices for large Services.

    `many`: from this number on, the targets of a list keep their places. `last_first`: places count from the end."""

    def __init__(self, *, many: int, last_first: bool = False) -> None:
        self._many = many
        self._last_first = last_first
        self._memos: dict[str, _Memo] = {}

    def forget(self, key: str) -> None:
        self._memos.pop(key, None)

    def choose(self, key: str, service: Service, slices: Iterable[EndpointSlice], *, node: NodeView) -> list[Chosen]:
        """Returns the targets of each of the Service's ports. `key` identifies the Service."""
        known, ports = list(slices), service.spec.ports
        if sum(len(piece.endpoints) for piece in known) < self._many:
            self.forget(key)
            return [choose(port, known, node=node) for port in ports]
        memo = self._memos.get(key)
        same = memo is not None and memo.service is service and memo.node == node
        before = list(memo.ports) if memo is not None else []
        before += [_OfPort()] * (len(ports) - len(before))
        memos = [self._of_port(port, known, node, old, same=same) for port, old in zip(ports, before, strict=False)]
        if any(each.cluster.places for each in memos):
            self._memos[key] = _Memo(service, node, memos)
        elif memo is not None:
            del self._memos[key]
        return [Chosen(self._listed(each.cluster), self._listed(each.local)) for each in memos]

    def _of_port(
        self, port: ServicePort, slices: Sequence[EndpointSlice], node: NodeView, old: _OfPort, *, same: bool
    ) -> _OfPort:
        """Returns the choice for one port. `same`: the old choice was for the same Service and node."""
        known: Mapping[int, SliceTargets] = {id(piece.source): piece for piece in old.pieces} if same else {}
        pieces = [known.get(id(source)) or of_slice(port, source, node=node) for source in slices]
        merged, moved = merge(pieces, node=node), _moved(pieces, old.pieces) if same else None
        all_ready = merged.all_ready, any(piece.local for piece in pieces)
        return _OfPort(
            pieces,
            self._order(merged.cluster, old.cluster, moved if all_ready[0] and old.all_ready[0] else None),
            self._order(merged.local, old.local, moved if all_ready[1] and old.all_ready[1] else None),
            all_ready,
        )

    def _order(self, targets: Collection[Target], old: Order, among: set[Target] | None) -> Order:
        if len(targets) < self._many:
            return Order(tuple(sorted(targets)))
        if not old.places:
            return ordered(sorted(targets, reverse=self._last_first))
        return rearranged(targets, old, among=among)

    def _listed(self, order: Order) -> tuple[Target, ...]:
        return order.targets[::-1] if self._last_first and order.places else order.targets


def _moved(pieces: Iterable[SliceTargets], before: Iterable[SliceTargets]) -> set[Target]:
    """Returns the targets of the pieces that only one side has."""
    now, then = {id(piece): piece for piece in pieces}, {id(piece): piece for piece in before}
    others = [known[key] for known in (now, then) for key in now.keys() ^ then.keys() if key in known]
    return {target for piece in others for target in (*piece.ready, *piece.terminating)}

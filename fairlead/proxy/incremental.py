"""Chooses endpoints anew without a look at the slices that did not change. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fairlead.api.core.service.kind import ServicePort
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointSlice
from fairlead.service.endpoints import SliceTargets, Target, merge, of_slice
from fairlead.service.node import NodeView


class Candidates(NamedTuple):
    """As `endpoints.Merged`, with what they were merged from."""

    cluster: dict[Target, Endpoint] | set[Target]
    local: list[Target]
    pieces: Sequence[SliceTargets]
    whole: tuple[bool, bool]
    """Whether they are all that are ready, those of the cluster and those on the node."""


def candidates(
    port: ServicePort, slices: Iterable[EndpointSlice], *, node: NodeView, before: Sequence[SliceTargets] = ()
) -> Candidates:
    """Returns the targets. `before` are the pieces of an earlier answer for the same port and node: slices that are the
    very same objects still are not looked at again."""
    known = {id(piece.source): piece for piece in before}
    pieces = [known.get(id(source)) or of_slice(port, source, node=node) for source in slices]
    merged = merge(pieces, node=node)
    ready = any(piece.local for piece in pieces)
    return Candidates(merged.cluster, merged.local, pieces, (merged.all_ready, ready))


def moved(pieces: Iterable[SliceTargets], before: Iterable[SliceTargets]) -> set[Target]:
    """Returns the targets of the pieces that only one of the two has."""
    now, then = {id(piece): piece for piece in pieces}, {id(piece): piece for piece in before}
    others = [known[key] for known in (now, then) for key in now.keys() ^ then.keys() if key in known]
    return {target for piece in others for target in (*piece.ready, *piece.terminating)}

"""A trace as a value: by the plan, by the kernel's rules, and whether they agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.base.dataclass import dataclass, replace
from fairlead.base.texts import Text, text
from fairlead.net.trace import Packet, Step
from fairlead.proxy.inspection.lines import owner_tree
from fairlead.proxy.inspection.places import Destination
from fairlead.proxy.inspection.walk import End, Hop, Sender, ends, unexplored
from fairlead.proxy.inspection.words import step_owner, step_words
from fairlead.proxy.inspection.world import Source, World

_SERVICE_PORT = "servicePort"
"""The key of the Service's port, by name or number; `port` is the port of a packet."""
_CLOSE = 1e-6
"""Largest difference of two equal probabilities: iptables rounds them to 31 bits."""


@dataclass(frozen=True, slots=True)
class TraceResult:
    sender: Sender
    destination: Destination
    protocol: str
    plan: tuple[End, ...]
    kernel: tuple[End, ...] | None
    """None: the kernel's rules were not read."""
    differences: tuple[Text, ...] = ()
    """Differences between the ends by the kernel's rules and by the plan; empty if they agree."""
    unexplored: float = 0.0
    """The probability of further ends, of which there were too many."""

    @property
    def ends(self) -> tuple[End, ...]:
        """Returns the ends by the rules in force, or else by the plan."""
        return self.plan if self.kernel is None else self.kernel


def trace(world: World, sender: Sender, destination: Destination, *, kernel: bool = True) -> TraceResult:
    """Returns every end of a connection's first packet. `kernel`: follow the rules that were read from kernels too."""
    plan = _all_ends(world, sender, destination, "plan")
    real = _all_ends(world, sender, destination, "kernel") if kernel else None
    return TraceResult(
        sender,
        destination,
        destination.protocol,
        tuple(plan),
        tuple(real) if real is not None else None,
        tuple(differences(plan, real)) if real is not None else (),
        unexplored(plan if real is None else real) if plan else 0.0,
    )


def _all_ends(world: World, sender: Sender, destination: Destination, source: Source) -> list[End]:
    found: list[End] = []
    share = 1 / len(destination.addresses) if destination.addresses else 0.0
    for address, port in destination.addresses:
        packet = Packet(sender.address, address, port, destination.protocol)
        found += [
            replace(end, probability=end.probability * share) for end in ends(world, sender, packet, source=source)
        ]
    return sorted(found, key=lambda end: (-end.probability, end.address, end.port, end.reason))


def differences(plan: Sequence[End], kernel: Sequence[End]) -> list[Text]:
    """Returns what an observer could notice, in words; empty if the two agree."""
    shares: dict[tuple[str, str, int, str], list[float]] = {}
    for side, found in enumerate((plan, kernel)):
        for end in found:
            shares.setdefault(end.outcome, [0.0, 0.0])[side] += end.probability
    texts = []
    for outcome, (planned, real) in sorted(shares.items()):
        if abs(planned - real) > _CLOSE:
            texts.append(
                text(
                    "{outcome}: {planned} by the plan, {real} by the kernel's rules",
                    outcome=_outcome(outcome),
                    planned=f"{planned:.1%}",
                    real=f"{real:.1%}",
                )
            )
    return texts


def _outcome(outcome: tuple[str, str, int, str]) -> Text:
    kind, address, port, source = outcome
    if not address:
        return _KINDS[kind]
    return text("{kind} {address}:{port}, as {source}", kind=_KINDS[kind], address=address, port=port, source=source)


_KINDS = {
    "pod": text("pod"),
    "node": text("node"),
    "outside": text("outside"),
    "refused": text("refused"),
    "dropped": text("dropped"),
    "unreachable": text("unreachable"),
    "unknown": text("unknown"),
}


def outcome_text(kind: str) -> Text:
    """Returns the kind of an end as a word that can be translated."""
    return _KINDS[kind]


def as_tree(result: TraceResult, world: World) -> dict[str, Any]:
    """Returns the tree for `-o json`."""
    kernel = result.kernel
    return {
        "from": {"address": result.sender.address, "node": result.sender.node},
        "to": {
            "label": result.destination.label,
            "addresses": [{"address": ip, "port": port} for ip, port in result.destination.addresses],
            "protocol": result.protocol.upper(),
            "note": result.destination.note,
        },
        "agrees": None if kernel is None else not result.differences,
        "differences": [str(one) for one in result.differences],
        "unexplored": round(result.unexplored, 6),
        "plan": [end_tree(end, world) for end in result.plan],
        "kernel": None if kernel is None else [end_tree(end, world) for end in kernel],
    }


def end_tree(end: End, world: World) -> dict[str, Any]:
    return {
        "kind": end.kind,
        "probability": round(end.probability, 6),
        "address": end.address,
        "port": end.port,
        "seenAs": end.source,
        "masqueradedBy": end.masqueraded_by,
        "node": end.node,
        "reason": end.reason,
        **owner_tree(end.owner, port=_SERVICE_PORT),
        "hops": [_hop_tree(hop, world) for hop in end.hops],
    }


def _hop_tree(hop: Hop, world: World) -> dict[str, Any]:
    packet = hop.packet
    return {
        "node": hop.node,
        "mode": hop.mode,
        "source": packet.source,
        "target": packet.target,
        "port": packet.port,
        "link": packet.link,
        "steps": [_step_tree(step, world, hop) for step in hop.steps],
    }


def _step_tree(step: Step, world: World, hop: Hop) -> dict[str, Any]:
    return {
        "hook": step.hook,
        "table": step.table,
        "chain": step.chain,
        "position": step.position,
        "rule": step.rule,
        "matched": step.matched,
        "lookups": [{"map": one.set_name, "key": one.key, "value": one.value} for one in step.lookups],
        "effects": list(step.effects),
        "words": step_words(step, world, hop),
        **owner_tree(step_owner(step, world, hop), port=_SERVICE_PORT),
    }

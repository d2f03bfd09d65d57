"""Compares one packet that was really sent with the ends that the rules predict. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fairlead.base.dataclass import dataclass
from fairlead.net.conntrack.entries import Entry
from fairlead.net.trace import Step
from fairlead.proxy.inspection.walk import End, Hop
from fairlead.proxy.settings.modes import facts_of

OUTCOMES = {
    "answered": "was answered",
    "refused": "was refused",
    "silent": "got no answer",
    "unreachable": "could not be sent",
}


_OUTCOMES = {
    "refused": ("refused", "unreachable"),
    "dropped": ("silent", "unreachable"),
    "unreachable": ("unreachable", "silent", "answered"),
}
"""The outcomes of packets that reach no endpoint: a node's own program cannot tell a refusal from a drop, and the way
out accepts a connection before it refuses the destination."""


class Observed(NamedTuple):
    """Observations of the packet."""

    outcome: str
    """A key of `OUTCOMES`."""
    detail: str
    source: str
    source_port: int
    entries: Mapping[str, Entry]
    """The tracked connection on each node that it passed."""
    met: Mapping[str, Sequence[tuple[str, str]] | None]
    """Table and chain of each rule that the kernel says the packet matched, by node; None: not permitted."""


@dataclass(frozen=True, slots=True)
class Comparison:
    observed: Observed
    end: End | None
    """The predicted end that the packet had; None: it had another one."""
    endpoint: str
    """The address and port that the packet reached, by connection tracking; empty if it reached none."""
    seen_as: str
    rules: Mapping[str, str]
    """Result by node: `agree`, `not permitted`, `another port` (of the sender: the trace lost the packet), or the first
    difference between predicted and matched rules."""

    @property
    def agrees(self) -> bool:
        return self.end is not None and _all_agree(self.rules)


def compare(ends: Sequence[End], observed: Observed) -> Comparison:
    """Returns the predicted end that fits, and whether the kernel's own trace has the same rules."""
    endpoint, port, seen_as = _reached(observed)
    fitting = [end for end in ends if _fits(end, observed, endpoint, port, seen_as)]
    compared = [(end, _rules(end, observed)) for end in fitting]
    # Several ends may fit if no endpoint is known: the one whose rules the packet matched was it.
    end, rules = next((pair for pair in compared if _all_agree(pair[1])), compared[0] if compared else (None, {}))
    if end is None:
        rules = _rules(None, observed)
    text = "" if not endpoint else f"[{endpoint}]:{port}" if ":" in endpoint else f"{endpoint}:{port}"
    return Comparison(observed, end, text, seen_as, rules)


def _reached(observed: Observed) -> tuple[str, int, str]:
    """Returns the endpoint's address and port, and the sender's address as the endpoint sees it."""
    entries = list(observed.entries.values())
    if not entries:
        return "", 0, ""
    changed = [entry for entry in entries if entry.translated]
    entry = (changed or entries)[0]
    return entry.reply_source, entry.reply_source_port, entry.reply_target


def _fits(end: End, observed: Observed, endpoint: str, port: int, seen_as: str) -> bool:
    if end.kind == "unreachable":
        return endpoint in ("", end.address) and observed.outcome in _OUTCOMES[end.kind]
    if end.kind in _OUTCOMES:
        return not endpoint and observed.outcome in _OUTCOMES[end.kind]
    if not endpoint:
        # The kernel forgets a connection at once that its target resets, for example because nothing listens there.
        return observed.outcome == "refused"
    return (end.address, end.port) == (endpoint, port) and (seen_as == end.source or end.kind == "outside")


def _rules(end: End | None, observed: Observed) -> dict[str, str]:
    return {
        node: _compare_rules(end, node, met) for node, met in sorted(observed.met.items()) if _concerns(end, node, met)
    }


def _all_agree(rules: Mapping[str, str]) -> bool:
    return all(text in _TEXTS for text in rules.values())


def _concerns(end: End | None, node: str, met: Sequence[tuple[str, str]] | None) -> bool:
    return bool(met) or (end is not None and any(hop.node == node for hop in end.hops))


def _compare_rules(end: End | None, node: str, met: Sequence[tuple[str, str]] | None) -> str:
    if met is None:
        return "not permitted"
    predicted, followed = _predicted(end, node)
    if list(met) == followed != predicted:
        return "agree" if followed else "another port"
    for at, (expected, found) in enumerate(zip(predicted, met, strict=False)):
        if expected != found:
            return f"rule {at + 1}: predicted in {' '.join(expected)}, matched in {' '.join(found)}"
    if len(predicted) != len(met):
        return f"{len(predicted)} rules predicted, {len(met)} matched"
    return "agree"


def _predicted(end: End | None, node: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Returns the rules of a node, and those up to which the kernel's trace can follow the packet: in the mode
    iptables, masquerading chooses another source port, by which the trace knows it."""
    hops = end.hops if end is not None else ()
    masquerader = end.masqueraded_by if end is not None else None
    changed = [at for at, hop in enumerate(hops) if hop.node == masquerader and facts_of(hop.mode).remaps_ports]
    last = changed[-1] if changed else len(hops)
    named = [(at, name) for at, hop in enumerate(hops) if hop.node == node for name in _names(hop)]
    return [name for _, name in named], [name for at, name in named if at <= last]


def _names(hop: Hop) -> list[tuple[str, str]]:
    return [name for step in hop.steps if step.matched for name in _name(hop, step)]


def _name(hop: Hop, step: Step) -> list[tuple[str, str]]:
    return [(facts_of(hop.mode).table or step.table, step.chain)]


def as_tree(found: Comparison) -> dict[str, Any]:
    """Returns the tree for `-o json`."""
    seen = found.observed
    return {
        "outcome": seen.outcome,
        "detail": seen.detail,
        "source": seen.source,
        "sourcePort": seen.source_port,
        "endpoint": found.endpoint,
        "seenAs": found.seen_as,
        "agrees": found.agrees,
        "predicted": found.end is not None,
        "connections": {node: entry._asdict() for node, entry in seen.entries.items()},
        "kernelTrace": {
            node: None if met is None else [{"table": table, "chain": chain} for table, chain in met]
            for node, met in seen.met.items()
        },
        "rules": dict(found.rules),
    }


def render(found: Comparison) -> list[str]:
    """Returns the lines for a terminal."""
    seen = found.observed
    verb = "reached" if seen.outcome in ("answered", "refused") else "was sent on to"
    reached = f"; connection tracking: it {verb} {found.endpoint} as {found.seen_as}" if found.endpoint else ""
    detail = f" ({seen.detail})" if seen.detail else ""
    lines = [f"sent from port {seen.source_port}: it {OUTCOMES[seen.outcome]}{detail}{reached}"]
    lines.append("  as predicted" if found.end is not None else "  NOT as predicted: no end above fits")
    if seen.outcome == "refused" and found.endpoint:
        lines.append(f"  the rules delivered it: nothing listens at {found.endpoint}")
    elif seen.outcome == "refused" and found.end is not None and found.end.kind not in _OUTCOMES:
        lines.append("  the rules delivered it: nothing listens there")
    for node, text in found.rules.items():
        lines.append(f"  the kernel's own trace on {node}: {_TEXTS.get(text, text)}")
    return lines


_TEXTS = {
    "agree": "the same rules",
    "not permitted": "not permitted here",
    "another port": "not followed, because masquerading chose another source port",
}

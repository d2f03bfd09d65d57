"""Renders traces for a terminal: the ends first, then the way to each of them."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.net.trace import Lookup, Step
from fairlead.proxy.inspection.tracing import TraceResult
from fairlead.proxy.inspection.walk import End, Hop
from fairlead.proxy.inspection.words import step_words
from fairlead.proxy.inspection.world import World
from fairlead.proxy.settings.modes import facts_of

_VERBS = {
    "pod": "reaches",
    "node": "reaches the node",
    "outside": "leaves the cluster",
    "refused": "refused",
    "dropped": "dropped",
    "unreachable": "does not arrive",
    "unknown": "cannot tell",
}


def render(result: TraceResult, world: World, *, every: bool = False) -> str:
    """Returns the text. Ends by the same rules are shown as one way, unless `every` way is asked for."""
    lines = [*_head(result), *(f"  {_end(end)}" for end in result.ends)]
    if result.unexplored > 1e-6:
        lines.append(f"  {result.unexplored:7.1%}  further ends, not followed")
    lines += ["", *_agreement(result)] if result.ends else []
    ways = list(result.ends) if every else _different_ways(result.ends)
    for end in ways:
        lines += ["", *_way(end, world, alone=len(ways) == 1, others=len(result.ends) - len(ways))]
    return "\n".join(lines)


def _head(result: TraceResult) -> Iterator[str]:
    where = f" on {result.sender.node}" if result.sender.node else ""
    to = ", ".join(f"{_join(ip, port)}" for ip, port in result.destination.addresses) or "no address"
    label = result.destination.label
    about = f"{label} ({to})" if label != to.rpartition(":")[0].strip("[]") else to
    yield f"{result.protocol.upper()} from {result.sender.address}{where} to {about}"
    if result.destination.note:
        yield f"  {result.destination.note}"


def _agreement(result: TraceResult) -> Iterator[str]:
    if result.kernel is None:
        yield "by the plan; the kernels' rules were not read"
    elif not result.differences:
        yield "the rules in the kernels agree with the plan"
    else:
        yield "the rules in the kernels differ from the plan:"
        yield from (f"  {text}" for text in result.differences)


def _join(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def end_words(end: End) -> str:
    """Returns an end as a phrase, without its probability."""
    verb = _VERBS[end.kind]
    if end.kind == "unreachable":
        return f"{verb} at {_join(end.address, end.port)}: {end.reason}"
    if end.kind in ("refused", "dropped", "unknown"):
        at = f" by {end.node}" if end.node and end.kind != "unknown" else ""
        return f"{verb}{at}: {end.reason}"
    what = end.reason if end.kind == "pod" else f"at {_join(end.address, end.port)}: {end.reason}"
    seen = f"as {end.source}, masqueraded by {end.masqueraded_by}" if end.masqueraded_by else f"as {end.source}"
    return f"{verb} {what}, {seen}"


def _end(end: End) -> str:
    return f"{end.probability:7.1%}  {end_words(end)}"


def _different_ways(ends: tuple[End, ...]) -> list[End]:
    """Returns one end of each sequence of chains: those that differ by a draw alone are shown once."""
    ways: dict[tuple[object, ...], End] = {}
    for end in ends:
        shape = tuple((hop.node, tuple(_shape(step) for step in hop.steps)) for hop in end.hops)
        ways.setdefault((end.kind, end.masqueraded_by, len(end.hops), shape), end)
    return list(ways.values())


def _shape(step: Step) -> tuple[str, str, bool]:
    """Returns what two steps have in common if they differ by the drawn endpoint alone."""
    endpoint = step.chain.startswith("KUBE-SEP-")
    drawn = "--probability" in step.rule or any(effect.startswith("jump KUBE-SEP-") for effect in step.effects)
    chain = "KUBE-SEP" if endpoint else step.chain
    return chain, step.hook if endpoint or drawn else f"{step.hook} {step.position}", step.matched


def _way(end: End, world: World, *, alone: bool, others: int) -> Iterator[str]:
    more = " (the other ends differ by the draw alone)" if alone and others > 0 else ""
    yield f"the way of: {_end(end).strip()}{more}" if not alone or more else "the way:"
    for hop in end.hops:
        yield from _hop(hop, world)


def _hop(hop: Hop, world: World) -> Iterator[str]:
    packet = hop.packet
    by = f"by link {packet.link}" if packet.link else "from a program of the node"
    yield f"  {hop.node} ({hop.mode}): {packet.source} -> {_join(packet.target, packet.port)}, {by}"
    if not hop.steps:
        yield "    no rule concerns the packet"
    for step, after in zip(hop.steps, [*hop.steps[1:], None], strict=True):
        yield from _step(step, hop, world, idle=_is_idle(step, after))


def _is_idle(step: Step, after: Step | None) -> bool:
    """Returns whether the step led to a chain in which nothing happened."""
    verb, _, chain = step.effects[-1].partition(" ") if step.effects else ("", "", "")
    return verb in ("jump", "goto") and (after is None or after.chain != chain)


def _step(step: Step, hop: Hop, world: World, *, idle: bool) -> Iterator[str]:
    mark = "✓" if step.matched and not idle else "·"
    words = step_words(step, world, hop)
    table = "" if facts_of(hop.mode).table else f"{step.table} "
    if idle:
        words = f"{words}: no rule of {step.effects[-1].partition(' ')[2]} matches"
    yield f"    {mark} {step.hook:<11} {table}{step.chain}[{step.position}]  {words}"
    if step.matched and not idle:
        yield f"        {step.rule}"
    for one in step.lookups:
        yield f"        {_lookup(one)}"
    if step.matched and step.effects and not idle:
        yield f"        => {', '.join(step.effects)}"


def _lookup(one: Lookup) -> str:
    if one.value is None:
        return f"@{one.set_name} has no {one.key}"
    return f"@{one.set_name} {one.key}{f' : {one.value}' if one.value else ''}"

"""Renders rules for a terminal: in plain words, or as the kernel's tools print them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fairlead.proxy.inspection.comparing import Difference
from fairlead.proxy.inspection.lines import RuleLine
from fairlead.proxy.inspection.ruleset import table_name
from fairlead.proxy.inspection.world import NodeRules

_MET = ("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-FW-", "KUBE-EXT-", "KUBE-SVC-", "KUBE-SVL-", "KUBE-SEP-")


def render(lines: Sequence[RuleLine], *, order: Sequence[str]) -> str:
    """Returns the text. Nodes with the same rules are shown once; `order` has the nodes' names."""
    blocks: dict[tuple[tuple[str, str, str, str, str], ...], list[str]] = {}
    families = list(dict.fromkeys((line.family, line.mode) for line in lines))
    by_node: dict[tuple[str, str, str], list[RuleLine]] = {}
    for line in lines:
        by_node.setdefault((line.node, line.family, line.mode), []).append(line)
    parts: list[str] = []
    for family, mode in families:
        blocks.clear()
        for node in order:
            if own := by_node.get((node, family, mode)):
                shape = tuple((one.table, one.place, one.text, one.words, "") for one in _sorted(own))
                blocks.setdefault(shape, []).append(node)
        for nodes in blocks.values():
            parts.append(f"{', '.join(nodes)}: {mode}, {family}")
            parts += _block(_sorted(by_node[nodes[0], family, mode]))
            parts.append("")
    return "\n".join(parts).rstrip()


def _sorted(lines: Iterable[RuleLine]) -> list[RuleLine]:
    """Returns elements sorted by map and text, and rules in their order, as the kernel shows elements in none."""
    listed = list(lines)
    places = {(line.table, line.place): at for at, line in reversed(list(enumerate(listed)))}

    def key(line: RuleLine) -> tuple[int, int, str]:
        at = places[line.table, line.place]
        return _rank(line), at, "" if line.place.startswith("chain") else line.text

    return sorted(listed, key=key)


def _rank(line: RuleLine) -> int:
    """Returns the place of a chain of iptables in the order in which packets meet them; 0 for all else."""
    of_nat = line.table == "nat"
    return next((at for at, start in enumerate(_MET, 1) if of_nat and line.place.startswith(f"chain {start}")), 0)


def _block(lines: Iterable[RuleLine]) -> Iterator[str]:
    place = ""
    for line in lines:
        here = f"{line.table} {line.place}".strip()
        if here != place:
            place = here
            yield f"  {place}"
        yield f"    {line.words or line.text}"
        if line.words:
            yield f"        {line.text}"


def render_difference(difference: Difference, *, old: str, new: str) -> str:
    """Returns the lines of one side alone, with - and +. `old` and `new` name the sides."""
    if not difference:
        return f"no difference between {old} and {new}"
    return "\n".join([f"- {old}", f"+ {new}", *difference_lines(difference)])


def difference_lines(difference: Difference) -> Iterator[str]:
    sides = (("-", difference.removed), ("+", difference.added))
    for line, mark in sorted(
        ((line, mark) for mark, lines in sides for line in lines),
        key=lambda pair: (pair[0].node, pair[0].family, pair[0].table, pair[0].place, pair[0].text, pair[1]),
    ):
        where = f"{line.node} {f'{line.table} ' if line.table else ''}{line.place}"
        yield f"{mark} {where}: {line.text}"
        if line.words:
            yield f"      {line.words}"


def raw_of_service(node: NodeRules, lines: Sequence[RuleLine]) -> str:
    """Returns the lines of one Service as the program of the node's mode would print them."""
    return "\n".join(_PRINTERS[lines[0].mode](node, lines)) if lines else ""


def _listed(node: NodeRules, lines: Sequence[RuleLine]) -> Iterator[str]:
    yield f"table {table_name(node.view.family)} {{"
    for place in dict.fromkeys(line.place for line in lines):
        yield f"\t{place} {{"
        body = [line.text for line in lines if line.place == place]
        if place.startswith("chain"):
            yield from (f"\t\t{text}" for text in body)
        else:
            inner = ",\n\t\t\t     ".join(body)
            yield f"\t\telements = {{ {inner} }}"
        yield "\t}"
    yield "}"


def _saved(_: NodeRules, lines: Sequence[RuleLine]) -> Iterator[str]:
    for table in dict.fromkeys(line.table for line in lines):
        yield f"*{table}"
        for line in lines:
            if line.table == table:
                yield f"-A {line.place.removeprefix('chain ')} {line.text}"
        yield "COMMIT"


_PRINTERS = {"nftables": _listed, "iptables": _saved}

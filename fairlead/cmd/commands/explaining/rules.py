"""`fairlead rules`: the proxy's rules in the kernels of a cluster's nodes, in plain words."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.base.clock import RealClock
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.cmd.objectnames import add_namespace, service_name
from fairlead.cmd.program import as_typed

if TYPE_CHECKING:
    from fairlead.cmd.inspection.inspecting import Inspected, Inspector
    from fairlead.proxy.inspection.comparing import Difference
    from fairlead.proxy.inspection.lines import RuleLine

_EVERY_S = 0.5
_NO_RULES = {
    "alias": "it is an alias (ExternalName): DNS answers with another name",
    "headless": "it is headless: DNS answers with the Pods' addresses, and connections go to them directly",
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", nargs="?", default="", metavar="svc/NAME", help="Service (default: all rules)")
    add_namespace(parser, "the Service")
    parser.add_argument("--node", default="", help="name of the node, e.g. node2 (default: all nodes)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--raw", action="store_true", help="print them as `nft list table` or `iptables-save` would")
    how.add_argument(
        "--diff",
        nargs="?",
        const="last",
        metavar="WITH",
        help="show only what differs from `last` (the last call of this command; the default), `plan` (the rules that "
        "the API's objects demand) or a file that `-o json` made",
    )
    how.add_argument("--watch", action="store_true", help="print each change of the rules, until Ctrl-C")
    parser.add_argument("--for", dest="seconds", type=float, metavar="SECONDS", help="end --watch after this time")
    parser.add_argument("-o", "--output", choices=["json"], help="output format: json (default: text)")
    parser.epilog = "Exit code: 0; with --diff 0 no difference, 1 a difference."


def run(args: argparse.Namespace) -> int:
    from fairlead.cmd.inspection.inspecting import Inspector

    service = _service_key(args)
    inspector = Inspector(args.name)
    if args.watch:
        return _watch(inspector, args, service)
    found = inspector.inspect(args.node)
    lines = _lines(found)
    last = inspector.paths.root / "rules.json"
    if args.diff:
        code = _diff(args, found, lines, last, service)
    elif args.raw:
        code = _raw(found, service)
    else:
        code = _show(args, found, lines, service)
    _remember(last, lines)
    return code


def _service_key(args: argparse.Namespace) -> str:
    if not args.service:
        return ""
    return f"{args.namespace}/{service_name(args.service)}"


def _lines(found: Inspected) -> list[RuleLine]:
    from fairlead.proxy.inspection.lines import list_rules

    nodes = [node for node in found.world.nodes if node.kernel is not None]
    return [
        line for node in nodes if node.kernel for line in list_rules(node.kernel, found.world.owners, node=node.name)
    ]


def _of(lines: Sequence[RuleLine], service: str) -> list[RuleLine]:
    from fairlead.proxy.inspection.lines import of_service

    return of_service(lines, service) if service else [*lines]


def _check(found: Inspected, lines: Sequence[RuleLine], service: str) -> str:
    """Returns the reason why a Service lacks rules; empty if it has some. Raises CommandError if it is unknown."""
    from fairlead.api.core.service.predicates import is_external_name, is_headless

    if not service or lines:
        return ""
    known = found.objects.services.get(service)
    namespace, _, name = service.rpartition("/")
    if known is None:
        raise CommandError(f'there is no Service "{name}" in namespace {namespace}')
    if is_external_name(known.spec) or is_headless(known.spec):
        return _NO_RULES["alias" if is_external_name(known.spec) else "headless"]
    if all(not node.kernel for node in found.world.nodes):
        return "the nodes have no rules of the proxy"
    return "no endpoint serves, and the fixed rules refuse its cluster IP: see `fairlead why`"


def _show(args: argparse.Namespace, found: Inspected, lines: Sequence[RuleLine], service: str) -> int:
    from fairlead.proxy.inspection.listing import render

    own = _of(lines, service)
    reason = _check(found, own, service)
    if args.output == "json":
        print(json.dumps([line.as_tree() for line in own], indent=2, ensure_ascii=False))
    elif reason:
        print(f"svc/{service.rpartition('/')[2]} lacks rules: {as_typed(reason)}")
    else:
        print(render(own, order=list(dict.fromkeys(node.name for node in found.world.nodes))))
    return 0


def _raw(found: Inspected, service: str) -> int:
    from fairlead.proxy.inspection.lines import list_rules, of_service
    from fairlead.proxy.inspection.listing import raw_of_service

    for node in found.world.nodes:
        if node.kernel is None:
            continue
        if service:
            text = raw_of_service(
                node, of_service(list_rules(node.kernel, found.world.owners, node=node.name), service)
            )
        else:
            text = found.texts[node.name, node.view.family.name].text.rstrip("\n")
        if text:
            print(f"# {node.name}, {node.view.family.name}\n{text}")
    return 0


def _diff(args: argparse.Namespace, found: Inspected, lines: list[RuleLine], last: Path, service: str) -> int:
    from fairlead.proxy.inspection.comparing import compare
    from fairlead.proxy.inspection.listing import render_difference

    if args.diff == "plan":
        difference, old, new = _with_plan(found, service), "planned", "in the kernel"
    else:
        path = last if args.diff == "last" else Path(args.diff)
        before = _read(path, args.diff)
        nodes = {line.node for line in lines}
        older = [line for line in before if line.node in nodes]
        difference = compare(_of(older, service), _of(lines, service))
        old, new = ("at the last call" if args.diff == "last" else args.diff), "now"
    if args.output == "json":
        print(json.dumps(difference.as_tree(), indent=2, ensure_ascii=False))
    else:
        print(render_difference(difference, old=old, new=new))
    return 1 if difference else 0


def _with_plan(found: Inspected, service: str) -> Difference:
    from fairlead.proxy.inspection.comparing import compare_with_plan, without_leftovers
    from fairlead.proxy.inspection.lines import list_rules

    plan: list[RuleLine] = []
    kernel: list[RuleLine] = []
    for node in found.world.nodes:
        for rules, into in ((node.plan, plan), (node.kernel, kernel)):
            if rules is not None:
                into += without_leftovers(rules, list_rules(rules, found.world.owners, node=node.name))
    return compare_with_plan(_of(plan, service), _of(kernel, service))


def _read(path: Path, name: str) -> list[RuleLine]:
    from fairlead.proxy.inspection.lines import line_of

    try:
        return [line_of(tree) for tree in json.loads(path.read_bytes())]
    except FileNotFoundError as error:
        if name != "last":
            raise UsageError(f'there is no file "{name}": make it by `fairlead rules -o json`') from error
        raise CommandError("there is no earlier call to compare with; this call is remembered now") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f'"{path}" is not a file that `fairlead rules -o json` made: {error}') from error


def _remember(path: Path, lines: Sequence[RuleLine]) -> None:
    from fairlead.cmd.cluster.paths import write_private

    if lines:
        write_private(path, json.dumps([line.as_tree() for line in lines]).encode())


def _watch(inspector: Inspector, args: argparse.Namespace, service: str) -> int:
    """Prints each change of the rules until Ctrl-C, or for the given time."""
    from fairlead.proxy.inspection.comparing import compare

    clock = RealClock()
    end = clock.monotonic() + args.seconds if args.seconds is not None else None
    before: list[RuleLine] | None = None
    seen: object = None
    try:
        while end is None or clock.monotonic() < end:
            generation = inspector.generations(args.node)
            if before is None or generation != seen or generation is None:
                seen = generation
                lines = _of(_lines(inspector.inspect(args.node)), service)
                if before is None and not args.output:
                    print(f"watching {len(lines)} rules and elements", flush=True)
                elif before is not None and (difference := compare(before, lines)):
                    _print_change(difference, as_json=bool(args.output))
                before = lines
            time.sleep(_EVERY_S)
    except KeyboardInterrupt:
        pass
    return 0


def _print_change(difference: Difference, *, as_json: bool) -> None:
    from fairlead.proxy.inspection.listing import difference_lines

    stamp = time.strftime("%H:%M:%S")
    if as_json:
        print(json.dumps({"at": stamp, **difference.as_tree()}, ensure_ascii=False), flush=True)
    else:
        print("\n".join([stamp, *(f"  {line}" for line in difference_lines(difference))]), flush=True)

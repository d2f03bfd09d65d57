"""`fairlead trace`: each rule that a packet meets on the nodes, and the places at which it may end."""

from __future__ import annotations

import argparse
import json
import re
import time
from typing import TYPE_CHECKING

from fairlead.cmd.errors import CommandError, UsageError
from fairlead.cmd.objectnames import add_namespace
from fairlead.cmd.program import as_typed

if TYPE_CHECKING:
    from fairlead.cmd.inspection.inspecting import Inspected, Inspector
    from fairlead.net.family import Family
    from fairlead.proxy.inspection.live import Comparison
    from fairlead.proxy.inspection.places import Destination
    from fairlead.proxy.inspection.tracing import TraceResult

_SETTLE_S, _TRIES = 0.2, 5
"""Seconds between readings, and their number, until plan and kernel agree: objects may just be changing."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sender", nargs="?", default="", metavar="FROM", help="pod/NAME, node/NAME, host, or an address"
    )
    parser.add_argument(
        "to",
        nargs="?",
        default="",
        metavar="TO[:PORT]",
        help="svc/NAME, pod/NAME, node/NAME, an address ([...] around IPv6), or a DNS name of the cluster",
    )
    add_namespace(parser, "the names")
    parser.add_argument(
        "--protocol",
        choices=["tcp", "udp", "sctp"],
        default="",
        help="protocol of the packet (default: that of the port, or tcp)",
    )
    parser.add_argument(
        "--family",
        choices=["ipv4", "ipv6"],
        default="",
        help="IP family of the packet (default: the first of the destination)",
    )
    parser.add_argument("--plan", action="store_true", help="follow only the planned rules; read no kernel")
    parser.add_argument(
        "--live",
        action="store_true",
        help="also send one real packet, and compare its way with connection tracking and the kernel's own trace",
    )
    parser.add_argument("--all", action="store_true", help="show the way to each end, not one of each kind")
    parser.add_argument("-o", "--output", choices=["json"], help="output format: json (default: text)")
    parser.epilog = (
        "Exit code: 0 every end is a Pod, a node or outside, 1 the packet may not arrive, or the kernel's "
        "rules differ from the plan, 2 cannot tell."
    )


def run(args: argparse.Namespace) -> int:
    from fairlead.cmd.inspection.inspecting import Inspector

    if not args.to:
        raise UsageError("name the sender and the destination, e.g. fairlead trace pod/client svc/web:80")
    if args.live and args.plan:
        raise UsageError("--live compares a packet with the kernels' rules: leave out --plan")
    inspector = Inspector(args.name)
    inspected, result = _traced(inspector, args)
    from fairlead.proxy.inspection import live
    from fairlead.proxy.inspection.report import render
    from fairlead.proxy.inspection.tracing import as_tree

    world = inspected.world
    sent = _send(inspector, result) if args.live else None
    if args.output == "json":
        tree = as_tree(result, world) | ({"live": live.as_tree(sent)} if sent else {})
        print(json.dumps(tree, indent=2, ensure_ascii=False))
    else:
        print(as_typed(render(result, world, every=args.all)))
        print("\n".join(["", *live.render(sent)]) if sent else "", end="\n" if sent else "")
    return 1 if sent is not None and not sent.agrees else exit_code(result)


def _send(inspector: Inspector, result: TraceResult) -> Comparison:
    """Sends the packet to the first address. Raises CommandError."""
    from fairlead.proxy.inspection.live import compare

    if not result.destination.addresses:
        raise CommandError(f"{result.destination.label} has no address to send to: {result.destination.note}")
    if result.protocol == "sctp":
        raise CommandError("--live sends TCP and UDP packets only: omit --live")
    address, port = result.destination.addresses[0]
    pod = bool(result.sender.link)
    observed = inspector.send(result.sender, pod, address, port, result.protocol)
    return compare(result.ends, observed)


def exit_code(result: TraceResult) -> int:
    kinds = {end.kind for end in result.ends}
    if not result.ends or "unknown" in kinds:
        return 2
    return 1 if kinds & {"refused", "dropped", "unreachable"} or result.differences else 0


def _traced(inspector: Inspector, args: argparse.Namespace) -> tuple[Inspected, TraceResult]:
    """Returns the trace. Reads again while kernel and plan differ, since objects may just be changing."""
    for left in range(_TRIES - 1, -1, -1):
        inspected = inspector.inspect(kernel=not args.plan)
        result = follow(inspected, args)
        if not result.differences or not left:
            break
        time.sleep(_SETTLE_S)
    return inspected, result


def follow(inspected: Inspected, args: argparse.Namespace) -> TraceResult:
    from fairlead.proxy.inspection.places import PlaceError, family_for, find_destination, find_sender
    from fairlead.proxy.inspection.tracing import trace
    from fairlead.proxy.inspection.walk import Sender
    from fairlead.proxy.inspection.world import family_of

    world, objects = inspected.world, inspected.objects.named(inspected.domain)
    family = _family(args.family) or family_for(args.to) or family_for(args.sender)
    try:
        destination = _published(inspected, args) or find_destination(
            args.to, objects, world, namespace=args.namespace, family=family, protocol=args.protocol
        )
        first = destination.addresses[0][0] if destination.addresses else ""
        spoken = family_of(first) if first else world.nodes[0].view.family
        sender = find_sender(args.sender, objects, world, namespace=args.namespace, family=spoken)
        if _to_this_machine(args):
            # The relay is in the cluster's network namespace, whatever routes this machine has.
            sender = Sender(next(address for address in world.control if spoken.has(address)))
    except PlaceError as error:
        raise UsageError(str(error)) from error
    if world.nodes and not any(node.view.family is spoken for node in world.nodes):
        raise CommandError(f"the cluster has no {spoken.name}")
    return trace(world, sender, destination, kernel=not args.plan)


def _to_this_machine(args: argparse.Namespace) -> bool:
    return bool(args.sender == "host" and re.fullmatch(r"(127\.0\.0\.1|localhost):\d+", args.to))


def _published(inspected: Inspected, args: argparse.Namespace) -> Destination | None:
    """Returns the destination of a port that the relay publishes on this machine; None for other destinations.
    Raises PlaceError if no Service is published there."""
    from fairlead.cmd.wiring.inspection import relayed
    from fairlead.proxy.inspection.places import PlaceError

    if not _to_this_machine(args):
        return None
    port = int(args.to.rpartition(":")[2])
    found = relayed(inspected.config, inspected.objects, port, args.protocol or "tcp")
    if found is None:
        raise PlaceError(f"no Service is published at port {port} of this machine: see `fairlead services`")
    return found


def _family(name: str) -> Family | None:
    from fairlead.net.family import IPV4, IPV6

    return {"ipv4": IPV4, "ipv6": IPV6}.get(name)

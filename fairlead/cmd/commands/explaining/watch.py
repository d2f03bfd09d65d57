"""`fairlead watch`: the live timeline of a Service."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from fairlead.api.core.service.predicates import is_external_name
from fairlead.base.clock import RealClock
from fairlead.cmd.errors import CommandError
from fairlead.cmd.objectnames import add_namespace, service_name
from fairlead.service.wellknown import SERVICE_NAME_LABEL

if TYPE_CHECKING:
    from fairlead.api.core.service.kind import Service
    from fairlead.cli.api import Api
    from fairlead.cmd.inspection.inspecting import Inspector
    from fairlead.cmd.inspection.sources import Sources
    from fairlead.net.conntrack.entries import Entry
    from fairlead.proxy.inspection.beginning import Beginning
    from fairlead.proxy.inspection.timeline import Frontend, Line, Timeline

_PLAIN, _SCREEN = "lines", "screen"


class View(Protocol):
    """A way to show the timeline, from entering its context on."""

    def add(self, lines: Sequence[Line]) -> None: ...

    def __enter__(self) -> View: ...

    def __exit__(self, *_: object) -> None: ...


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", nargs="?", default="", metavar="svc/NAME", help="Service to watch")
    add_namespace(parser, "the Service")
    parser.add_argument("--for", dest="seconds", type=float, metavar="SECONDS", help="end after this time")
    parser.add_argument(
        "--view",
        choices=[_PLAIN, _SCREEN],
        default="",
        help="lines, or a screen with sparklines, which needs the package rich (default: a screen if it can be shown)",
    )
    parser.add_argument(
        "-o", "--output", choices=["json"], help="output format: json, one object in each line (default: text)"
    )
    parser.epilog = "Ends at Ctrl-C, with exit code 0."


def run(args: argparse.Namespace) -> int:
    from fairlead.cmd.inspection.inspecting import Inspector
    from fairlead.cmd.inspection.sources import Sources
    from fairlead.proxy.inspection.beginning import Beginning
    from fairlead.proxy.inspection.timeline import Timeline

    name = service_name(args.service)
    inspector = Inspector(args.name)
    found = inspector.inspect(kernel=False)
    key = f"{args.namespace}/{name}"
    service = found.objects.services.get(key)
    if service is None:
        raise CommandError(f'there is no Service "{name}" in namespace {args.namespace}')
    timeline = Timeline(key, inspector.nodes())
    with Sources() as sources:
        beginning = Beginning(_start(sources, inspector, service))
        with contextlib.suppress(KeyboardInterrupt):
            _follow(args, sources, timeline, beginning)
    return 0


def _start(sources: Sources, inspector: Inspector, service: Service) -> list[str]:
    """Starts the sources of the Service's timeline, and returns those that report a present state."""
    from fairlead.cmd.cluster.paths import read_domain
    from fairlead.cmd.inspection.sources import watch_connections, watch_dns, watch_objects, watch_rules
    from fairlead.cmd.nodes.nodeentry import holder
    from fairlead.cmd.wiring.clusterapi import connect
    from fairlead.cmd.wiring.sending import open_namespace
    from fairlead.net.family import of_name

    meta = service.metadata
    families = [of_name("IPv6" if name == "IPv6" else "IPv4") for name in service.spec.ipFamilies]
    inside = f"/namespaces/{quote(meta.namespace, safe='')}"
    label = quote(f"{SERVICE_NAME_LABEL}={meta.name}", safe="")

    def api() -> Api:
        return connect(inspector.paths.root.name)[0]

    slices = f"/apis/discovery.k8s.io/v1{inside}/endpointslices?labelSelector={label}"
    sources.start("slices", watch_objects(api, slices))
    reporting = ["slices"]
    if service.spec.selector:
        selector = quote(",".join(f"{k}={v}" for k, v in service.spec.selector.items()), safe="")
        reporting.append("pods")
        sources.start("pods", watch_objects(api, f"/api/v1{inside}/pods?labelSelector={selector}"))
    key, every = f"{meta.namespace}/{meta.name}", list(_frontends(service))
    nodes = inspector.nodes()
    fds = {
        node: (open_namespace(holder(inspector.run, node), "user"), open_namespace(holder(inspector.run, node)))
        for node in nodes
    }
    for node in nodes:
        if every:
            reporting.append(f"rules {node}")
            sources.start("rules", watch_rules(fds[node], node, families, key, every))
            sources.start("connections", watch_connections(fds[node], node, _taker(every)))
    if not is_external_name(service.spec) and families:
        name = f"{meta.name}.{meta.namespace}.svc.{read_domain(inspector.paths.domain)}"
        reporting.append("dns")
        sources.start("dns", watch_dns(fds[nodes[0]], inspector.config.dns_ip, name, families))
    return reporting


def _frontends(service: Service) -> Sequence[Frontend]:
    from fairlead.net.family import IPV4, IPV6
    from fairlead.proxy.inspection.timeline import Frontend
    from fairlead.service.frontends import frontends, has_frontends

    if not has_frontends(service):
        return []
    return [
        Frontend(one.protocol, one.ip, one.port)
        for port in service.spec.ports
        for family in (IPV4, IPV6)
        for one in frontends(service, port, family=family)
    ]


def _taker(every: Sequence[Frontend]) -> Callable[[Entry], bool]:
    """Returns the test if a tracked connection is one to the Service: it was translated, and sent to a frontend."""
    addresses = {(one.protocol, one.ip, one.port) for one in every if one.ip}
    node_ports = {(one.protocol, one.port) for one in every if not one.ip}

    def takes(entry: Entry) -> bool:
        there = (entry.protocol, entry.target, entry.target_port)
        changed = (entry.target, entry.target_port) != (entry.reply_source, entry.reply_source_port)
        return changed and (there in addresses or (entry.protocol, entry.target_port) in node_ports)

    return takes


def _follow(args: argparse.Namespace, sources: Sources, timeline: Timeline, beginning: Beginning) -> None:
    """Shows the present state as soon as all sources have reported it, at the latest after a second; then changes."""
    clock = RealClock()
    started = clock.monotonic()
    end = started + args.seconds if args.seconds is not None else None
    second = started + 1
    with _show(args, timeline, clock) as show:
        while sources.running and (end is None or clock.monotonic() < end):
            until = min(second, end) if end is not None else second
            lines: list[Line] = []
            for event in sources.events(max(0.0, until - clock.monotonic())):
                new = timeline.feed(event)
                if beginning.is_over:
                    lines += new
                    continue
                beginning.add(event, new)
                if beginning.is_over:
                    lines += beginning.end(event.at)
            if clock.monotonic() >= second:
                second += 1
                lines += [*beginning.end(clock.monotonic()), *timeline.second(clock.monotonic())]
            show.add(lines)
        show.add(beginning.end(clock.monotonic()))


class _Lines:
    """Prints one line for each entry."""

    def __init__(self, clock: RealClock, *, as_json: bool) -> None:
        self._offset = time.clock_gettime(time.CLOCK_REALTIME) - clock.monotonic()
        self._json = as_json

    def add(self, lines: Sequence[Line]) -> None:
        for line in lines:
            at = line.at + self._offset
            stamp = f"{time.strftime('%H:%M:%S', time.localtime(at))}.{int(at % 1 * 1000):03}"
            text = (
                json.dumps({"at": stamp, **line.as_tree()}, ensure_ascii=False)
                if self._json
                else f"{stamp}  {line.text}"
            )
            print(text, flush=True)

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _show(args: argparse.Namespace, timeline: Timeline, clock: RealClock) -> View:
    """Returns the view. Raises CommandError if a screen is asked for and rich is missing."""
    if args.output == "json" or args.view == _PLAIN or (not args.view and not sys.stdout.isatty()):
        return _Lines(clock, as_json=args.output == "json")
    try:
        from fairlead.cmd.inspection.screen import Screen
    except ImportError as error:
        if args.view == _SCREEN:
            raise CommandError("the screen needs the package rich: pip install rich") from error
        return _Lines(clock, as_json=False)
    return Screen(timeline)

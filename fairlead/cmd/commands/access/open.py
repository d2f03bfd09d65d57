"""`fairlead open`: a Service of the cluster in the user's own browser."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from time import sleep

from fairlead.api.core.service.predicates import is_external_name, typed
from fairlead.base.clock import Clock, RealClock
from fairlead.cli.api import Api, Tree
from fairlead.cli.lookups import get_service, list_services, selected_pods, slices_of
from fairlead.cli.services import (
    NOT_SERVED,
    Networks,
    PublishedPort,
    browsable,
    choose,
    explain,
    is_published,
    published_ports,
)
from fairlead.cmd.browser import open_page
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.cmd.objectnames import add_namespace, service_name
from fairlead.cmd.wiring.clusterapi import ask, connect

_WAIT_S = 10.0
_POLL_EVERY_S = 0.1


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "service",
        nargs="?",
        metavar="svc/NAME",
        help="Service of type LoadBalancer or NodePort (default: the only such Service of the namespace)",
    )
    add_namespace(parser, "the Service")
    parser.add_argument(
        "--port", default="", metavar="PORT", help="number or name of the Service's port (default: its first port)"
    )
    parser.add_argument(
        "--print", action="store_true", dest="only_print", help="print the URL and do not open a browser"
    )


def run(args: argparse.Namespace) -> int:
    """Opens the Service's URL in the user's browser, or prints the URL. Waits up to 10 s for a Service that starts."""
    given = service_name(args.service) if args.service else ""
    api, routed = connect(args.name)
    name = given or _only_one(api, args.namespace)
    port = _wait_for(partial(_find, api, name, args.namespace, args.port, routed=routed), RealClock())
    url = browsable(port.url)
    if not args.only_print and url.startswith("http") and open_page(url):
        print(f"opened {url}")
    else:
        print(url)
    return 0


def _only_one(api: Api, namespace: str) -> str:
    ports = ask(lambda: published_ports(list_services(api, namespace), ()))
    names = list(dict.fromkeys(port.name for port in ports))
    if not names:
        raise UsageError(f'namespace "{namespace}" has no Service of type LoadBalancer or NodePort; name one: svc/NAME')
    if len(names) > 1:
        raise UsageError(f'namespace "{namespace}" has several Services ({", ".join(names)}); name one: svc/NAME')
    return names[0]


def _wait_for(find: Callable[[], PublishedPort], clock: Clock) -> PublishedPort:
    """Returns the port once it has a URL. Raises CommandError after `_WAIT_S`."""
    deadline = clock.monotonic() + _WAIT_S
    shown = ""
    while True:
        port = ask(find)
        if port.url:
            return port
        if clock.monotonic() > deadline:
            reason = ": ".join(filter(None, (port.trouble, port.hint)))
            raise CommandError(f'service "{port.name}" cannot be reached on port {port.port}: {reason}')
        if port.trouble != shown:
            shown = port.trouble
            print(f"waiting up to {_WAIT_S:.0f} s for service {port.name}: {shown}", file=sys.stderr)
        sleep(_POLL_EVERY_S)


def _find(api: Api, name: str, namespace: str, port: str, *, routed: Networks) -> PublishedPort:
    service = get_service(api, name, namespace)
    if not is_published(service, routed=routed):
        raise CommandError(_how_to_publish(service))
    found = choose(service, slices_of(api, name, namespace), port, routed=routed)
    return explain(found, service, selected_pods(api, service)) if found.trouble == NOT_SERVED else found


def _how_to_publish(service: Tree) -> str:
    name, of_type = service["metadata"]["name"], typed(service["spec"])
    if is_external_name(of_type):
        return f'service "{name}" is an alias in DNS for {service["spec"].get("externalName", "")}: nothing to open'
    if service["spec"].get("clusterIP") == "None":
        return f'service "{name}" is headless and has no address to open; create one of type LoadBalancer beside it'
    patch = '{"spec":{"type":"LoadBalancer"}}'
    option = f" -n {service['metadata']['namespace']}"
    return (
        f'service "{name}" is of type {of_type.type}, which only the cluster can reach; '
        f"to reach it from here: kubectl patch svc {name}{option} -p '{patch}'"
    )

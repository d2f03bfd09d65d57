"""`fairlead services`: the URLs at which this machine reaches the Services of a cluster."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from fairlead.cli.api import Api
from fairlead.cli.lookups import list_services, list_slices, selected_pods
from fairlead.cli.services import COLUMNS, NOT_SERVED, Networks, PublishedPort, explain, notes, published_ports, rows
from fairlead.cli.table import render, terminal_width
from fairlead.cmd.program import as_typed
from fairlead.cmd.wiring.clusterapi import ask, connect


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--namespace", default="", help="namespace of the Services (default: all namespaces)")
    parser.add_argument("-o", "--output", choices=["json"], help="output format: json (default: a table)")


def run(args: argparse.Namespace) -> int:
    api, routed = connect(args.name)
    ports = ask(lambda: _ports(api, args.namespace, routed))
    if args.output == "json":
        print(json.dumps([asdict(port) for port in ports], indent=2))
    elif ports:
        print(render(COLUMNS, rows(ports), width=terminal_width(), optional=("ADDRESS", "TYPE", "NAMESPACE")))
        for note in notes(ports):
            print(f"\n{as_typed(note)}")
    else:
        how = "`fairlead open svc/NAME` shows how to change the type"
        print(as_typed(f"no Service has the type LoadBalancer or NodePort; {how}"))
    return 0


def _ports(api: Api, namespace: str, routed: Networks) -> list[PublishedPort]:
    """Returns the ports, each with the reason if no endpoint serves it."""
    services = list_services(api, namespace)
    by_name = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in services}

    def explained(port: PublishedPort) -> PublishedPort:
        if port.trouble != NOT_SERVED:
            return port
        service = by_name[port.namespace, port.name]
        return explain(port, service, selected_pods(api, service))

    return [explained(port) for port in published_ports(services, list_slices(api, namespace), routed=routed)]

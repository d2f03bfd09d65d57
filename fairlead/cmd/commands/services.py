"""`fairlead services`: the URLs at which this machine reaches the Services of a cluster."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from fairlead.cli.lookups import list_services, list_slices
from fairlead.cli.services import COLUMNS, published_ports, rows
from fairlead.cli.table import render
from fairlead.cmd.wiring.clusterapi import ask, connect


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--namespace", default="", help="namespace of the Services (default: all namespaces)")
    parser.add_argument("-o", "--output", choices=["json"], help="output format: json (default: a table)")


def run(args: argparse.Namespace) -> int:
    api, routed = connect(args.name)
    ports = ask(
        lambda: published_ports(list_services(api, args.namespace), list_slices(api, args.namespace), routed=routed)
    )
    if args.output == "json":
        print(json.dumps([asdict(port) for port in ports], indent=2))
    elif ports:
        print(render(COLUMNS, rows(ports)))
    else:
        print("no Service has the type LoadBalancer or NodePort; `fairlead open svc/NAME` shows how to change the type")
    return 0

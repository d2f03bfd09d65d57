"""`fairlead rules`: the proxy's rules in the kernels of a cluster's nodes, in plain words."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", nargs="?", default="", metavar="svc/NAME", help="Service (default: all rules)")


def run(args: argparse.Namespace) -> int:
    from fairlead.cmd.process.inspecting import Inspector
    from fairlead.proxy.inspection.lines import list_rules

    found = Inspector(args.name).inspect()
    for node in found.world.nodes:
        if node.kernel:
            for line in list_rules(node.kernel, found.world.owners, node=node.name):
                print(line.node, line.place, line.text, "  #", line.words)
    return 0

"""`fairlead announce`: the announcer of one machine, beside its proxy."""

from __future__ import annotations

import argparse

from fairlead.cmd.wiring.announcer import announce


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kubeconfig",
        default="",
        metavar="FILE",
        help="kubeconfig of the cluster (default: in a Pod its service account, otherwise the cluster of --name)",
    )
    parser.add_argument(
        "--interface", default="", metavar="LINK", help="network link to announce on, e.g. eth0 (required)"
    )
    parser.add_argument(
        "--hostname-override",
        default="",
        metavar="NODE",
        help="name of this machine's node (default: hostname in lower case)",
    )


def run(args: argparse.Namespace) -> int:
    return announce(args.name, args.kubeconfig, args.interface, args.hostname_override)

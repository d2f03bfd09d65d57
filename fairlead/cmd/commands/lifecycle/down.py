"""`fairlead down`."""

from __future__ import annotations

import argparse

from fairlead.cmd.process.stopping import add_all_flag, stop_clusters


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--purge", action="store_true", help="also delete the cluster's objects, certificates, logs and settings"
    )
    add_all_flag(parser)


def run(args: argparse.Namespace) -> int:
    return stop_clusters(args.name, purge=args.purge)

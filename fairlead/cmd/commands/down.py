"""`fairlead down`."""

from __future__ import annotations

import argparse

from fairlead.cmd.process.stopping import stop_cluster


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--purge", action="store_true", help="also delete the cluster's objects, certificates, logs and settings"
    )


def run(args: argparse.Namespace) -> int:
    return stop_cluster(args.name, purge=args.purge)

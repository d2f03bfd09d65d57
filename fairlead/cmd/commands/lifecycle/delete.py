"""`fairlead delete`: what other tools call the end of a cluster."""

from __future__ import annotations

import argparse

from fairlead.cmd.process.stopping import add_all_flag, stop_clusters


def configure(parser: argparse.ArgumentParser) -> None:
    add_all_flag(parser)


def run(args: argparse.Namespace) -> int:
    return stop_clusters(args.name, purge=True)

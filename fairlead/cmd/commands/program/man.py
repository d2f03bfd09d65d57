"""`fairlead man`: prints the manual page."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "To read it: fairlead man | man -l -"


def run(args: argparse.Namespace) -> int:
    from fairlead.cmd.commandline.manual import render

    print(render(args.build_parser()), end="")
    return 0

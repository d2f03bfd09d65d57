"""`fairlead reset`."""

from __future__ import annotations

import argparse

from fairlead.cmd.wiring.clusterapi import ask, connect


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="print nothing")


def run(args: argparse.Namespace) -> int:
    api, _ = connect(args.name, timeout_s=60)
    changes = ask(lambda: api.call("POST", "/fairlead/v1/reset"))["changes"]
    if not args.quiet:
        done = f"{changes} objects deleted or renewed" if changes else "nothing had changed"
        print(f'cluster "{args.name}" is as it was when it was new: {done}')
    return 0

"""`fairlead version`."""

from __future__ import annotations

import argparse

from fairlead import __version__


def configure(_: argparse.ArgumentParser) -> None:
    pass


def run(_: argparse.Namespace) -> int:
    print(f"fairlead {__version__}")
    return 0

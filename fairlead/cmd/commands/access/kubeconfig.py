"""`fairlead kubeconfig`."""

from __future__ import annotations

import argparse
import sys

from fairlead.cmd.cluster.lookup import kubeconfig_path


def configure(_: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    sys.stdout.write(kubeconfig_path(args.name).read_text(encoding="utf-8"))
    return 0

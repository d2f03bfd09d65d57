"""`fairlead env`: prints the line for `eval "$(fairlead env)"`."""

from __future__ import annotations

import argparse
from shlex import quote

from fairlead.cmd.cluster.lookup import kubeconfig_path


def configure(_: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    print(f"export KUBECONFIG={quote(str(kubeconfig_path(args.name)))}")
    return 0

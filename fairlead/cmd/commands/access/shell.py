"""`fairlead shell`: runs a program on a node."""

from __future__ import annotations

import argparse
import contextlib
import os
import pwd
import sys
from shutil import which
from typing import NoReturn

from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster import kubeconfig
from fairlead.cmd.cluster.lookup import running
from fairlead.cmd.kubectl import bundled
from fairlead.cmd.nodes.nodeentry import holder, run_in_node
from fairlead.cmd.nodes.resolvconf import bind, write_files


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "fairlead shell [-h] [--name NAME] [NODE] [COMMAND...]"
    parser.add_argument("node", nargs="?", metavar="NODE", help="name of the node, e.g. node2 (default: node1)")


def run(args: argparse.Namespace) -> int:
    """Runs the command (default: the user's shell) on the node; returns its exit code."""
    paths, record = running(args.name)
    pid = holder(record, args.node)
    command = args.argv or [_login_shell()]
    config = settings.load(paths)
    bound = write_files(config, paths) if config is not None else []
    environment = os.environ | {"PATH": _search_path()}
    if config is not None:
        environment["KUBECONFIG"] = str(kubeconfig.write_inside(config, paths))

    def work() -> NoReturn:
        bind(bound)
        _exec(command, environment)

    return run_in_node(pid, work)


def _search_path() -> str:
    """Returns the PATH with the folders of `ip`, `nft` and `tcpdump`, which many users do not have on theirs."""
    folders = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    own = bundled()
    kubectl = [os.path.dirname(own)] if own is not None and which("kubectl") is None else []
    return os.pathsep.join(dict.fromkeys([*folders, "/usr/local/sbin", "/usr/sbin", "/sbin", *kubectl]))


def _exec(command: list[str], environment: dict[str, str]) -> NoReturn:
    code, reason = 127, "command not found"
    try:
        os.execvpe(command[0], command, environment)
    except OSError as e:
        # A folder on the PATH that this user may not enter turns "not found" into "permission denied".
        if "/" in command[0] or which(command[0], mode=os.F_OK, path=environment["PATH"]):
            code, reason = 126, e.strerror or str(e)
            if isinstance(e, FileNotFoundError):
                code = 127
    print(f"fairlead: {command[0]}: {reason}", file=sys.stderr)
    sys.stderr.flush()
    os._exit(code)


def _login_shell() -> str:
    shell = os.environ.get("SHELL", "")
    if not shell:
        with contextlib.suppress(KeyError):
            shell = pwd.getpwuid(os.getuid()).pw_shell
    return shell if shell and os.access(shell, os.X_OK) and "nologin" not in shell else "/bin/sh"

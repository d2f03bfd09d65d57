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
from fairlead.cmd.cluster.lookup import running
from fairlead.cmd.process.nodeentry import holder, run_in_node
from fairlead.cmd.process.resolvconf import bind, write_files


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "fairlead shell [-h] [--name NAME] [NODE] [-- COMMAND...]"
    parser.add_argument("node", nargs="?", metavar="NODE", help="name of the node, e.g. node2 (default: node1)")


def run(args: argparse.Namespace) -> int:
    """Runs the command (default: the user's shell) on the node; returns its exit code."""
    paths, record = running(args.name)
    pid = holder(record, args.node)
    command = args.argv or [_login_shell()]
    config = settings.load(paths)
    bound = write_files(config, paths) if config is not None else []

    def work() -> NoReturn:
        bind(bound)
        _exec(command)

    return run_in_node(pid, work)


def _exec(command: list[str]) -> NoReturn:
    code, reason = 127, "command not found"
    try:
        os.execvp(command[0], command)
    except OSError as e:
        # A folder on the PATH that this user may not enter turns "not found" into "permission denied".
        if "/" in command[0] or which(command[0], mode=os.F_OK):
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

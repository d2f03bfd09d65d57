"""The command line: builds the parser and runs the command. `commands` declares the commands.

Only the module of the called command is imported, so `fairlead --help` is fast.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from fairlead.cmd.commands import COMMANDS, Command
from fairlead.cmd.errors import CommandError

_ABOUT = "A Kubernetes-compatible cluster on one Linux machine, in a second, without root, with real Services."
_AFTER = """\
first steps:
  fairlead demo                        start a cluster with nginx Pods and Services, and show that they work
  fairlead up --detach --nodes 3       start a cluster of three nodes
  eval "$(fairlead env)"               point kubectl at it
  fairlead shell node2 -- ip route     look at the cluster's network from a node
  fairlead down                        stop it; the next `up` brings the same objects back"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Prints one line and exits with code 2."""
        self.exit(2, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


def _module(command: Command) -> Any:
    return import_module(f"fairlead.cmd.commands.{command.name}")


def build_parser(called: str | None = None) -> argparse.ArgumentParser:
    """Returns the parser with the flags of the called command, or of all commands if `called` is None."""
    parser = _Parser(
        prog="fairlead", description=_ABOUT, epilog=_AFTER, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        text = command.summary
        made = commands.add_parser(
            command.name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False
        )
        if command.cluster is not None:
            about = f"name of the cluster (default: {command.cluster}); several clusters can run side by side"
            made.add_argument("--name", default=command.cluster, help=about)
        if called in (command.name, None):
            _module(command).configure(made)
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Returns the arguments. Words after `--` are in `argv`, unchanged."""
    head, tail = list(argv), []
    if "--" in head:
        cut = head.index("--")
        head, tail = head[:cut], head[cut + 1 :]
    called = next((word for word in head if not word.startswith("-")), "")
    parser = build_parser(called)
    args = parser.parse_args(head)
    if tail and not _named(args.command).takes_argv:
        parser.error(f"`{args.command}` takes no command after `--`")
    args.argv = tail
    return args


def _named(name: str) -> Command:
    return next(command for command in COMMANDS if command.name == name)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 for success, 1 for failure, 2 for wrong use."""
    try:
        args = parse(sys.argv[1:] if argv is None else argv)
        command = _named(args.command)
        if command.cluster is not None:
            from fairlead.cmd.cluster.name import parse_name

            parse_name(args.name)
        code: int = _module(command).run(args)
        sys.stdout.flush()
        return code
    except CommandError as e:
        return _fail(str(e), e.code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except Exception as e:  # the top of the program: users get a line, not a traceback
        if os.environ.get("FAIRLEAD_DEBUG"):
            raise
        detail = str(e) if isinstance(e, OSError) else f"internal error: {e!r} (FAIRLEAD_DEBUG=1 shows where)"
        return _fail(detail, 1)


def _fail(message: str, code: int) -> int:
    print(f"fairlead: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

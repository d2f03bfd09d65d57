"""The command line: builds the parser and runs the command. `commands` declares the commands.

Only the module of the called command is imported, so `fairlead --help` is fast.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from fairlead import __version__
from fairlead.cmd.commands import COMMANDS, DEFAULT_NAME, ELSEWHERE, Command
from fairlead.cmd.errors import CommandError, UsageError

_ABOUT = "A Kubernetes-compatible cluster on one Linux machine, in a second, without root, with real Services."
_STEPS = (
    ("fairlead demo", "start a cluster with nginx Pods and Services, and show that they work"),
    ("fairlead up --detach --nodes 3", "start a cluster of three nodes"),
    ("kubectl get nodes", "kubectl uses it at once (context fairlead-default)"),
    ("fairlead shell node2 ip route", "look at the cluster's network from a node"),
    ("fairlead down", "stop it; the next `up` brings the same objects back"),
)
_END_BY_PIPE = 128 + 13
"""The exit code that a shell shows for a program that SIGPIPE ends, such as kubectl."""


class _Parser(argparse.ArgumentParser):
    called = ""
    """The command line whose help describes the command that was called."""
    steps: Sequence[tuple[str, str]] = ()
    """Commands to begin with, and what each does."""

    def format_help(self) -> str:
        """Returns the help, with the steps as they are typed in this shell."""
        from fairlead.cmd.program import as_typed

        typed = [(as_typed(command), what) for command, what in self.steps]
        width = max((len(command) for command, _ in typed), default=0)
        lines = [f"  {command.ljust(width)}  {what}" for command, what in typed]
        return "\n".join([super().format_help(), *(["first steps:", *lines, ""] if lines else [])])

    def error(self, message: str) -> NoReturn:
        """Prints one line and exits with code 2."""
        from fairlead.cmd.program import as_typed

        self.exit(2, f"{self.prog}: {message} (see `{as_typed(f'{self.called or self.prog} --help')}`)\n")


def _module(command: Command) -> Any:
    return import_module(f"fairlead.cmd.commands.{command.module}")


def build_parser(called: str | None = None) -> argparse.ArgumentParser:
    """Returns the parser with the flags of the called command, or of all commands if `called` is None."""
    parser = _Parser(prog="fairlead", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.steps = _STEPS
    parser.add_argument("--version", action="version", version=f"fairlead {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for command in COMMANDS:
        text = command.summary
        made = commands.add_parser(
            command.name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False
        )
        if command.cluster is not None:
            made.add_argument("--name", help=f"name of the cluster (default: {_default(command)})")
        if called == command.name:
            parser.called = made.prog
        if called in (command.name, None):
            _module(command).configure(made)
    return parser


def _default(command: Command) -> str:
    if command.guesses:
        return f"$FAIRLEAD_NAME, or else the only running cluster, or else {command.cluster}"
    return f"$FAIRLEAD_NAME, or else {command.cluster}" if command.cluster == DEFAULT_NAME else str(command.cluster)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Returns the arguments. A command line for the command is in `argv`, unchanged."""
    called = next((word for word in argv if not word.startswith("-")), "")
    command = _named(called)
    head, tail = _split(argv, command)
    parser = build_parser(called)
    if called and command is None:
        parser.error(f"unknown command `{called}`{_suggestion(called)}")
    args = parser.parse_args(head)
    if tail and (command is None or not command.takes_argv):
        parser.error(f"`{args.command}` takes no command after `--`")
    args.argv = tail
    args.build_parser = build_parser  # for the command that describes all commands
    return args


def _split(argv: Sequence[str], command: Command | None) -> tuple[list[str], list[str]]:
    """Returns the words for the parser, and the command line that begins after `--`, or, if the command takes one, with
    the first word that is not for the command itself."""
    at = 0 if command is None else argv.index(command.name) + 1
    own = True
    while at < len(argv) and argv[at] != "--":
        word = argv[at]
        if command is not None and command.takes_argv and _may_begin(word, command):
            if not own or not re.fullmatch(command.before_argv, word):
                return list(argv[:at]), list(argv[at:])
            own = False
        at += 2 if word == "--name" else 1
    return list(argv[:at]), list(argv[at + 1 :])


def _may_begin(word: str, command: Command) -> bool:
    """Returns whether a command line may begin with the word: if it is not a flag of the command itself."""
    if not word.startswith("-"):
        return True
    return command.passes_flags and word.partition("=")[0] not in ("-h", "--help", "--name")


def _suggestion(called: str) -> str:
    from difflib import get_close_matches

    names = [command.name for command in COMMANDS]
    meant = ELSEWHERE.get(called) or next(iter(get_close_matches(called, names, n=1)), "")
    return f": did you mean `{meant}`?" if meant else ""


def _named(name: str) -> Command | None:
    return next((command for command in COMMANDS if command.name == name), None)


def _resolve_name(args: argparse.Namespace, command: Command) -> None:
    """Replaces a missing `--name` by the cluster that the command is about; by None for `--all`."""
    from fairlead.cmd.cluster.guess import VARIABLE, guess
    from fairlead.cmd.cluster.name import parse_name

    every = getattr(args, "all", False)
    if every and args.name is not None:
        raise UsageError("--all and --name exclude each other: omit one of them")
    if every:
        return
    if args.name is None:
        default = str(command.cluster)
        if command.guesses:
            deletes = getattr(args, "purge", False) or command.name == "delete"
            args.name = guess(default, deletes=deletes)
        else:
            args.name = (os.environ.get(VARIABLE) if default == DEFAULT_NAME else "") or default
        if args.name == os.environ.get(VARIABLE):
            parse_name(args.name, f"${VARIABLE}: ")
    parse_name(args.name)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 for success, 1 for failure, 2 for wrong use."""
    _prepare_streams()
    try:
        try:
            code = _run(sys.argv[1:] if argv is None else argv)
        except SystemExit:  # argparse has printed help or an error
            sys.stdout.flush()
            raise
        sys.stdout.flush()
        return code
    except CommandError as e:
        return _fail(str(e), e.code)
    except BrokenPipeError:
        _drop_output()
        return _END_BY_PIPE
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except Exception as e:  # the top of the program: users get a line, not a traceback
        if os.environ.get("FAIRLEAD_DEBUG"):
            raise
        _drop_output()
        return _fail(_described(e), 1)


def _run(argv: Sequence[str]) -> int:
    if "_ARGCOMPLETE" in os.environ:
        from fairlead.cmd.commandline.completing import called_command, complete

        complete(build_parser(called_command(os.environ.get("COMP_LINE", ""))))
    args = parse(argv)
    command = _named(args.command or "")
    if command is None:
        build_parser("").print_help()
        return 0
    if command.cluster is not None:
        _resolve_name(args, command)
    code: int = _module(command).run(args)
    return code


def _drop_output() -> None:
    """Gives up what standard output does not take; else Python would try again at its end, and change the exit code."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _prepare_streams() -> None:
    """Opens standard streams that are closed, so that no file or socket gets their numbers. Characters that the
    terminal's encoding lacks are replaced."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, fd)
            if null != fd:
                os.close(null)
            opened = os.fdopen(fd, "w" if fd else "r", encoding="utf-8", closefd=False)
            setattr(sys, name, opened)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def _described(error: Exception) -> str:
    if not isinstance(error, OSError):
        return f"internal error: {error!r} (FAIRLEAD_DEBUG=1 shows where)"
    if error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _fail(message: str, code: int) -> int:
    from fairlead.cmd.program import as_typed

    print(f"fairlead: {as_typed(message)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

"""`fairlead lint`: checks manifests without a cluster."""

from __future__ import annotations

import argparse
import os
import sys

from fairlead.base.texts import LANGUAGES, catalogue, language
from fairlead.cmd.errors import UsageError

FORMATS = ("text", "json", "sarif", "github")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="file, folder (its .yaml, .yml and .json), or -")
    parser.add_argument("-o", "--output", choices=FORMATS, default="text", help="output format (default: text)")
    parser.add_argument(
        "--language", choices=LANGUAGES, help="language of the messages (default: by LC_ALL, LC_MESSAGES, LANG)"
    )
    parser.epilog = "Exit code: 0 no errors, 1 errors were found, 2 a file cannot be read."


def run(args: argparse.Namespace) -> int:
    from fairlead.cmd.commandline.linting import NoFilesError, check
    from fairlead.lint.reports.machine import FORMATS as MACHINE
    from fairlead.lint.reports.text import render

    try:
        result, passed_over = check(args.files)
    except NoFilesError as e:
        raise UsageError(str(e)) from e
    for name in passed_over:
        print(f"fairlead: skipped {name}: it lacks kind or metadata, which a manifest has", file=sys.stderr)
    messages = catalogue("fairlead.lint", args.language or language(os.environ))
    if args.output == "text":
        colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        print(render(result, messages, colours=colours))
    elif report := MACHINE[args.output](result, messages):
        print(report)
    return 1 if result.has_errors else 0

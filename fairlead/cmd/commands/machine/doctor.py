"""`fairlead doctor`."""

from __future__ import annotations

import argparse
import json

from fairlead.base.codec import encode
from fairlead.cmd.program import as_typed
from fairlead.cmd.reports.doctor.checks import run_checks
from fairlead.cmd.reports.doctor.model import Finding, conclusion, exit_code, render
from fairlead.cmd.reports.doctor.probe import attempt


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=["json"], help="output format: json (default: a table)")


def run(args: argparse.Namespace) -> int:
    findings = run_checks(attempt())
    if args.output == "json":
        print(json.dumps([encode(Finding, finding) for finding in findings], indent=2))
    else:
        print(as_typed(f"{render(findings)}\n\n{conclusion(findings)}"))
    return exit_code(findings)

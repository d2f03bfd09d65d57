"""`fairlead logs`: what the components of a cluster have written, as one stream in the order of time."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from fairlead.base.numbers import integer
from fairlead.cmd.cluster.lookup import no_such_cluster
from fairlead.cmd.cluster.paths import Paths, paths_of
from fairlead.cmd.cluster.state import read_run
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.cmd.reports.logreading import LogReader, LogRecord, merged, rendered

_POLL_S = 0.2


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "component", nargs="?", metavar="COMPONENT", help="e.g. control-plane, relay, agent-node1 (default: all)"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="show new lines until the cluster stops")
    parser.add_argument("--tail", type=integer, metavar="N", help="show only the last N records (default: all)")


def run(args: argparse.Namespace) -> int:
    """Prints the logs. Those of a cluster that does not run any more are there too."""
    paths = paths_of(args.name)
    if not paths.logs.is_dir():
        raise CommandError(no_such_cluster(args.name))
    if args.tail is not None and args.tail < 0:
        raise UsageError(f"--tail {args.tail}: at least 0")
    readers = {path: LogReader(path) for path in _logs(paths, args.component)}
    found = merged(reader.read() for reader in readers.values())
    _show(found if args.tail is None else found[len(found) - min(args.tail, len(found)) :], args.component)
    if args.follow:
        try:
            _follow(paths, args.component, readers)
        except KeyboardInterrupt:
            return 0
    return 0


def components(paths: Paths) -> list[str]:
    return sorted(path.stem for path in paths.logs.glob("*.log"))


def _logs(paths: Paths, component: str | None) -> list[Path]:
    if component is None:
        return sorted(paths.logs.glob("*.log"))
    if component not in components(paths):
        raise UsageError(f'there are no logs of "{component}": the cluster has {", ".join(components(paths))}')
    return [paths.log(component)]


def _follow(paths: Paths, component: str | None, readers: dict[Path, LogReader]) -> None:
    while True:
        record = read_run(paths)
        runs = record is not None and record.alive()
        for path in sorted(paths.logs.glob("*.log")) if component is None else ():
            readers.setdefault(path, LogReader(path))  # of a component that is new since
        _show(merged(reader.read() for reader in readers.values()), component)
        if not runs:  # checked before the last reading
            return
        time.sleep(_POLL_S)


def _show(found: list[LogRecord], component: str | None) -> None:
    width = 0 if component is not None else 14
    for record in found:
        sys.stdout.writelines(f"{line}\n" for line in rendered(record, width))
    sys.stdout.flush()

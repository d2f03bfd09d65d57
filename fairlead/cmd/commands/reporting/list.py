"""`fairlead list`: the clusters of this user, running or not."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from fairlead.base.clock import Clock, RealClock
from fairlead.base.instant import Instant, parse_time, render_age, render_time
from fairlead.cli.table import render
from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster.guess import all_names
from fairlead.cmd.cluster.paths import Paths, paths_of
from fairlead.cmd.cluster.state import Run, read_run
from fairlead.cmd.errors import CommandError
from fairlead.cmd.program import as_typed, program
from fairlead.cmd.reports.memory import memory_of_tree

_MIB = 1024 * 1024


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=["json"], help="output format: json (default: a table)")


def run(args: argparse.Namespace) -> int:
    clusters = [describe(name) for name in all_names()]
    if args.output == "json":
        print(json.dumps(clusters, indent=2))
    elif clusters:
        header = ["NAME", "STATE", "NODES", "AGE", "API", "MEMORY"]
        print(render(header, [_row(cluster, RealClock()) for cluster in clusters]))
        for reason in (cluster["reason"] for cluster in clusters if "reason" in cluster):
            print(f"fairlead: {as_typed(reason)}", file=sys.stderr)
    else:
        print(f"no clusters; start one: {program()} up --detach")
    return 0


def describe(name: str) -> dict[str, Any]:
    """Returns the state of a cluster; `damaged` if its files cannot be read. `created` is null before its first start
    is complete."""
    paths = paths_of(name)
    try:
        record, config = read_run(paths), settings.load(paths)
    except CommandError as e:
        return _tree(name, "damaged", paths) | {"reason": str(e)}
    if record is None or not record.alive():
        return _tree(name, "stopped", paths) | {"nodes": config.nodes if config else 0}
    return _tree(name, "running" if record.ready else "starting", paths) | _live(record)


def _tree(name: str, state: str, paths: Paths) -> dict[str, Any]:
    return {"name": name, "state": state, "nodes": 0, "created": _created(paths), "api": "", "memoryBytes": 0}


def _live(record: Run) -> dict[str, Any]:
    return {"nodes": len(record.nodes), "api": record.api, "memoryBytes": memory_of_tree(record.pid)}


def _created(paths: Paths) -> str | None:
    """Returns the time at which the cluster's authority was made: at its first start, and never again."""
    try:
        return render_time(Instant((paths.pki / "ca.crt").stat().st_mtime))
    except OSError:
        return None


def _row(cluster: dict[str, Any], clock: Clock) -> list[str]:
    created, memory = cluster["created"], cluster["memoryBytes"]
    return [
        cluster["name"],
        cluster["state"],
        str(cluster["nodes"] or "-"),
        render_age(clock.now() - parse_time(created)) if created else "-",
        cluster["api"] or "-",
        f"{memory / _MIB:.0f} MiB" if memory else "-",
    ]

"""`fairlead snapshot`: the objects and volumes of a cluster, saved beside it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from fairlead.base.clock import RealClock
from fairlead.base.instant import parse_time, render_age
from fairlead.cli.table import render
from fairlead.cmd.cluster.lookup import no_such_cluster
from fairlead.cmd.cluster.paths import paths_of
from fairlead.cmd.cluster.state import read_run
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.cmd.program import as_typed
from fairlead.cmd.wiring.clusterapi import ask, connect

_LIMIT_S = 3600.0
"""Seconds to wait for a copy of large volumes."""
_MIB = 1024 * 1024
Verb = Callable[[argparse.Namespace], int]


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", help="what to do")
    parser.set_defaults(run_verb=_no_verb)

    def add(name: str, summary: str, run_verb: Verb) -> argparse.ArgumentParser:
        made = verbs.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + ".", allow_abbrev=False
        )
        made.set_defaults(run_verb=run_verb)
        made.add_argument("--name", default=argparse.SUPPRESS, metavar="CLUSTER", help="name of the cluster")
        return made

    for name, summary, verb in (
        ("save", "save the objects and volumes of a running cluster; replaces a snapshot of this name", _save),
        ("restore", "bring a running cluster back to a snapshot; everything made since is deleted", _restore),
        ("delete", "delete a snapshot", _delete),
    ):
        add(name, summary, verb).add_argument(
            "snapshot", metavar="NAME", type=_snapshot_name, help="name of the snapshot"
        )
    listing = add("list", "list the snapshots of a cluster", _list)
    listing.add_argument("-o", "--output", choices=["json"], help="output format: json (default: a table)")


def run(args: argparse.Namespace) -> int:
    verb: Verb = args.run_verb
    return verb(args)


def _no_verb(_: argparse.Namespace) -> int:
    raise UsageError("snapshot needs a verb: save, restore, list or delete")


def _call(args: argparse.Namespace, method: str, suffix: str = "") -> Any:
    api, _ = connect(args.name, timeout_s=_LIMIT_S)
    return ask(lambda: api.call(method, f"/fairlead/v1/snapshots/{args.snapshot}{suffix}"))


def _snapshot_name(text: str) -> str:
    from fairlead.cmd.wiring.snapshots.folder import SnapshotError, check_name

    try:
        check_name(text)
    except SnapshotError as e:
        raise argparse.ArgumentTypeError(str(e)) from e
    return text


def _save(args: argparse.Namespace) -> int:
    saved = _call(args, "POST")
    volumes = (
        f"{saved['volumes']} volume folder{'' if saved['volumes'] == 1 else 's'} ({saved['bytes'] / _MIB:.1f} MiB)"
    )
    print(f'saved snapshot "{args.snapshot}": {saved["objects"]} objects, {volumes}')
    return 0


def _restore(args: argparse.Namespace) -> int:
    restored = _call(args, "POST", "/restore")
    print(f'cluster "{args.name}" is back at snapshot "{args.snapshot}" of {restored["created"]}')
    return 0


def _delete(args: argparse.Namespace) -> int:
    run = read_run(paths_of(args.name))
    if run is not None and run.alive():
        _call(args, "DELETE")
    else:
        _delete_folder(args.name, args.snapshot)
    print(f'deleted snapshot "{args.snapshot}"')
    return 0


def _delete_folder(cluster: str, name: str) -> None:
    """Deletes a snapshot of a cluster that does not run. Raises CommandError."""
    from fairlead.cmd.wiring.snapshots.folder import Folders, SnapshotError

    folders = Folders(paths_of(cluster).snapshots)
    try:
        folders.of(name).describe()
        folders.delete(name)
    except SnapshotError as e:
        raise CommandError(str(e)) from e
    except PermissionError as e:
        raise CommandError(f"{e.filename} belongs to a Pod's user: start the cluster, and delete again") from e


def _list(args: argparse.Namespace) -> int:
    from fairlead.cmd.wiring.snapshots.folder import Folders, SnapshotError

    paths = paths_of(args.name)
    if not paths.config.exists():
        raise CommandError(no_such_cluster(args.name))
    try:
        snapshots = Folders(paths.snapshots).all()
    except SnapshotError as e:
        raise CommandError(str(e)) from e
    if args.output == "json":
        from msgspec import to_builtins

        print(json.dumps([to_builtins(snapshot) for snapshot in snapshots], indent=2))
        return 0
    now = RealClock().now()
    rows = [
        [s.name, render_age(now - parse_time(s.created)), str(s.objects), str(s.volumes), f"{s.bytes / _MIB:.1f} MiB"]
        for s in snapshots
    ]
    if rows:
        print(render(["NAME", "AGE", "OBJECTS", "VOLUMES", "SIZE"], rows))
    else:
        print(as_typed("no snapshots; `fairlead snapshot save NAME` makes one"))
    return 0

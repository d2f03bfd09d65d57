"""`fairlead support-bundle`: one archive for a bug report."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.base.clock import RealClock
from fairlead.base.instant import render_time
from fairlead.cmd.cluster.lookup import no_such_cluster
from fairlead.cmd.cluster.paths import paths_of
from fairlead.cmd.cluster.state import read_run
from fairlead.cmd.errors import CommandError

if TYPE_CHECKING:
    from fairlead.cmd.reports.bundle import Part


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-f", "--file", metavar="FILE", help="archive to write (default: fairlead-NAME-TIME.tar.gz in this folder)"
    )
    parser.epilog = (
        "The archive contains settings, state, logs, objects, events, rules and versions. Data of Secrets and "
        "ConfigMaps, tokens, passwords and keys are left out; look through it before you send it."
    )


def run(args: argparse.Namespace) -> int:
    """Writes the archive, also of a cluster that does not run."""
    from fairlead.cmd.reports.bundle import write_archive

    paths = paths_of(args.name)
    if not paths.config.exists():
        raise CommandError(no_such_cluster(args.name))
    now = RealClock().now()
    stamp = re.sub("[:-]", "", render_time(now))
    folder = f"fairlead-{args.name}-{stamp}"
    target = Path(args.file or f"{folder}.tar.gz")
    try:
        failures = write_archive(target, folder, _parts(args.name), now_s=now)
    except FileExistsError:
        raise CommandError(f"{target} exists already: choose another file with --file") from None
    except OSError as e:
        raise CommandError(f"cannot write {target}: {e.strerror}") from e
    for failure in failures:
        print(f"left out: {failure}")
    print(f"wrote {target} ({target.stat().st_size // 1024} KiB)")
    return 0


def _parts(name: str) -> Iterator[Part]:
    from fairlead.cmd.reports.bundle import Part, host_parts, object_parts, state_parts
    from fairlead.cmd.reports.describing import describe
    from fairlead.cmd.wiring.clusterapi import connect

    paths = paths_of(name)
    yield from host_parts()
    yield from state_parts(paths, lambda: describe(name, paths))
    record = read_run(paths)
    if record is None or not record.alive():
        return
    yield from object_parts(connect(name)[0])
    yield Part("rules.txt", lambda: _rules(name))


def _rules(name: str) -> str:
    from fairlead.cmd.inspection.inspecting import Inspector

    found = Inspector(name).inspect()
    return "".join(f"# {node}, {family}\n{one.text}\n" for (node, family), one in sorted(found.texts.items()))

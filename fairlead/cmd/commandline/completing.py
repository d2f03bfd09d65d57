"""Completes a command line: commands and flags from the parser, names from the clusters as they are now.

The shell runs this program at each Tab, with `_ARGCOMPLETE` set (argcomplete's protocol). What must stay true: no error
and no output reaches the terminal, nothing is written, and a cluster that does not answer costs at most `_ASK_S` for
each list.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator

from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster.guess import all_names, guess
from fairlead.cmd.cluster.paths import Paths, image_store, paths_of
from fairlead.cmd.cluster.state import read_run
from fairlead.cmd.errors import CommandError

_ASK_S = 1.0


def called_command(line: str) -> str:
    """Returns the command in a line that is being typed, or an empty text."""
    words = line.split()[1:]
    if line and not line[-1].isspace():
        words = words[:-1]
    return next((word for word in words if not word.startswith("-")), "")


def complete(parser: argparse.ArgumentParser) -> None:
    """Writes the possible words for the shell and ends the process."""
    from argcomplete import autocomplete
    from argcomplete.completers import FilesCompleter

    for action in _actions(parser):
        completer = COMPLETERS.get(action.dest)
        if completer is not None and action.choices is None:
            action.completer = completer  # type: ignore[attr-defined]
    autocomplete(parser, default_completer=FilesCompleter())


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _actions(inner)


def _cluster(args: argparse.Namespace) -> Paths:
    return paths_of(args.name or guess("default", deletes=False))


def _names(**_: object) -> list[str]:
    return all_names()


def _nodes(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    with contextlib.suppress(CommandError, OSError):
        record = read_run(_cluster(parsed_args))
        return [node.name for node in record.nodes] if record is not None and record.alive() else []
    return []


def _components(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    with contextlib.suppress(CommandError, OSError):
        return sorted(path.stem for path in _cluster(parsed_args).logs.glob("*.log"))
    return []


def _services(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    namespace = getattr(parsed_args, "namespace", None) or "default"
    return [f"svc/{name}" for name in _listed(parsed_args, f"/api/v1/namespaces/{namespace}/services")]


def _pods(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    namespace = getattr(parsed_args, "namespace", None) or "default"
    return [f"pod/{name}" for name in _listed(parsed_args, f"/api/v1/namespaces/{namespace}/pods")]


def _senders(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    return ["host", *(f"node/{name}" for name in _nodes(parsed_args)), *_pods(parsed_args)]


def _destinations(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    return [*_services(parsed_args), *_pods(parsed_args), *(f"node/{name}" for name in _nodes(parsed_args))]


def _subjects(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    return [*_services(parsed_args), *_pods(parsed_args)]


def _snapshots(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    with contextlib.suppress(CommandError, OSError):
        names = (path.name for path in _cluster(parsed_args).snapshots.iterdir())
        return sorted(name for name in names if not name.startswith("."))
    return []


def _images(**_: object) -> list[str]:
    from fairlead.images.errors import ImageError
    from fairlead.images.store.names import Names, name_of

    with contextlib.suppress(ImageError):
        return [name_of(image) for image in Names(image_store()).all()]
    return []


def _namespaces(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    return _listed(parsed_args, "/api/v1/namespaces")


def _listed(args: argparse.Namespace, path: str) -> list[str]:
    """Returns the names of objects, none if the API does not answer."""
    from fairlead.cli.api import Api, ApiError

    with contextlib.suppress(CommandError, OSError, ApiError):
        paths = _cluster(args)
        config = settings.load(paths)
        if config is not None:
            items = Api(config.api_port, pki=paths.pki, timeout_s=_ASK_S).get(path)["items"]
            return [item["metadata"]["name"] for item in items]
    return []


COMPLETERS = {
    "name": _names,
    "node": _nodes,
    "component": _components,
    "service": _services,
    "subject": _subjects,
    "snapshot": _snapshots,
    "image": _images,
    "images": _images,
    "namespace": _namespaces,
    "sender": _senders,
    "to": _destinations,
}
"""The completers of arguments, by the name of the argument among all commands."""

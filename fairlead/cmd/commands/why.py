"""`fairlead why`: says why a Service does not work."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

from fairlead.cli.api import Api, Tree
from fairlead.cmd.cluster.lookup import running
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.cmd.wiring.clusterapi import ask, connect
from fairlead.cmd.wiring.podsockets import listening_sockets


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", nargs="?", default="", metavar="svc/NAME", help="Service to explain")
    parser.add_argument("-n", "--namespace", default="default", help="namespace of the Service (default: default)")
    parser.add_argument("--port", default="", help="number or name of the Service's port (default: all ports)")
    parser.add_argument("-o", "--output", choices=["json"], help="output format: json (default: text)")
    parser.epilog = "Exit code: 0 the Service works, 1 a cause was found, 2 the checks cannot tell."


def run(args: argparse.Namespace) -> int:
    from fairlead.explain.diagnose import diagnose
    from fairlead.explain.reading import assemble, further_lists, lists
    from fairlead.explain.report import as_tree, render

    name = _service_name(args.service)
    try:
        api, _ = connect(args.name)
        trees = _fetch(api, lists(name, args.namespace))
        snapshot = assemble(name, args.namespace, trees, port=args.port)
        trees |= _fetch(api, further_lists(snapshot))
        pods = {
            pod.metadata.name: [one.ip for one in pod.status.podIPs]
            for pod in (snapshot.ready_pods if snapshot.service else ())
        }
        sockets = listening_sockets(running(args.name)[1].pid, pods)
    except UsageError:
        raise
    except CommandError as e:
        raise CommandError(str(e), code=2) from e
    diagnosis = diagnose(assemble(name, args.namespace, trees, port=args.port, sockets=sockets))
    print(json.dumps(as_tree(diagnosis), indent=2, ensure_ascii=False) if args.output else render(diagnosis))
    return diagnosis.exit_code


def _fetch(api: Api, paths: Mapping[str, str]) -> dict[str, list[Tree]]:
    return {key: ask(lambda path=path: api.get(path)["items"]) for key, path in paths.items()}  # type: ignore[misc]


def _service_name(text: str) -> str:
    kind, slash, name = text.rpartition("/")
    if not name or (slash and kind not in ("svc", "service", "services")):
        raise UsageError(f'invalid Service "{text}": expected svc/NAME')
    return name

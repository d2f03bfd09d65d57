"""`fairlead status`: the processes of a cluster, and the nodes that are Ready."""

from __future__ import annotations

import argparse
import json
from typing import Any

from fairlead.cmd.cluster.installation import upgraded
from fairlead.cmd.cluster.lookup import no_such_cluster, why_down
from fairlead.cmd.cluster.paths import paths_of
from fairlead.cmd.errors import CommandError
from fairlead.cmd.program import as_typed
from fairlead.cmd.reports.describing import describe


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=["json"], help="output format: json (default: tables)")


def run(args: argparse.Namespace) -> int:
    """Prints the state; a component that is just being started again has pid 0. Returns 1 if the cluster is down."""
    paths = paths_of(args.name)
    if args.output != "json" and not paths.config.exists():
        raise CommandError(no_such_cluster(args.name))
    tree = describe(args.name, paths)
    print(json.dumps(tree, indent=2) if args.output == "json" else as_typed(_render(tree)))
    return 0 if tree["running"] else 1


def _render(tree: dict[str, Any]) -> str:
    from fairlead.cli.table import render

    if not tree["running"]:
        return why_down(tree["name"])
    nodes = render(
        ["NODE", "STATUS", "ADDRESS", "PODS", "PID"],
        [
            [
                n["name"],
                _node_state(n, answers=tree["apiAnswers"]),
                ",".join(n["addresses"]),
                ",".join(n["podCIDRs"]),
                str(n["pid"] or "-"),
            ]
            for n in tree["nodes"]
        ],
    )
    components = render(
        ["COMPONENT", "PID", "RESTARTS"],
        [[c["name"], str(c["pid"] or "-"), str(c["restarts"])] for c in tree["components"]],
    )
    state = "running" if tree["ready"] else "starting"
    head = (
        f'cluster "{tree["name"]}" is {state} (pid {tree["pid"]})\nAPI: {_apis(tree)}\nkubeconfig: {tree["kubeconfig"]}'
    )
    if tree["upgraded"]:
        head += f"\n{upgraded(tree['name'])}"
    if tree["authorizationMode"] == "AlwaysAllow":
        head += (
            "\nauthorization: AlwaysAllow, every user and every Pod may do everything; roles decide after "
            "`fairlead down` and `fairlead up --authorization-mode RBAC`"
        )
    if routes := tree.get("hostRoutes"):
        head += (
            f"\nhost routes: {', '.join(routes['ranges'])} by {routes['link']}, as {' and '.join(routes['addresses'])}"
        )
    return f"{head}\n\n{nodes}\n\n{components}"


def _apis(tree: dict[str, Any]) -> str:
    return " and ".join(filter(None, (tree["api"], tree.get("apiForOthers"))))


def _node_state(node: dict[str, Any], *, answers: bool) -> str:
    if not answers:
        return "API slow"
    return "Ready" if node["ready"] else "NotReady"

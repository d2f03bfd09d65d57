"""`fairlead demo`: a fresh cluster, the manifests of `examples/`, and proof on the screen that it works.

The demo shows certain kinds, so it names them. The cluster keeps running at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any, NoReturn

from fairlead.api.core.service.predicates import is_load_balancer, typed
from fairlead.base.clock import Clock, RealClock
from fairlead.cli.api import TABLE, Api, ApiError, Tree
from fairlead.cli.apply import create, read_manifests, wait_for
from fairlead.cli.lookups import list_services, list_slices
from fairlead.cli.services import published_ports
from fairlead.cli.table import render, render_table, terminal_width
from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster import userconfig
from fairlead.cmd.cluster.flags import add_kubeconfig_flag
from fairlead.cmd.cluster.guess import running_names
from fairlead.cmd.cluster.merging import FlagValues
from fairlead.cmd.cluster.paths import Paths, paths_of
from fairlead.cmd.cluster.state import read_run
from fairlead.cmd.errors import CommandError
from fairlead.cmd.kubectl import typed as typed_kubectl
from fairlead.cmd.nodes.nodeentry import holder, run_in_node
from fairlead.cmd.process.starting import Life, start_cluster
from fairlead.cmd.process.stopping import stop_cluster
from fairlead.cmd.program import program

NODES = 3
REQUESTS = 300
EXAMPLES = Path(__file__).parents[3] / "examples"
"""Package data; in a clone, links to the files of `examples/`."""
_SERVE_LIMIT_S = 60.0
_PODS = "/api/v1/namespaces/default/pods"


def configure(parser: argparse.ArgumentParser) -> None:
    add_kubeconfig_flag(parser)


def run(args: argparse.Namespace) -> int:
    name, clock = args.name, RealClock()
    if paths_of(name).root.exists():
        print(f'starting afresh: deleting the last cluster "{name}"')
        stop_cluster(name, purge=True, quiet=True)
    life = Life(detach=True, kubeconfig=args.kubeconfig)
    start_cluster(name, FlagValues(nodes=NODES, upstream="none"), life, clock=clock)
    paths = paths_of(name)
    config = settings.load(paths)
    assert config is not None
    api = Api(config.api_port, pki=paths.pki)
    print("\nThe manifests of examples/:")
    objects = list(read_manifests(EXAMPLES))
    began = clock.monotonic()
    for tree in objects:
        create(api, tree)
        print(f"  {tree['kind'].lower()}/{tree['metadata']['name']} created")
    services = [tree for tree in objects if tree["kind"] == "Service"]
    pods = _serving_pods(api, objects, clock)
    print(f"  {len(pods)} Pods serve after {clock.monotonic() - began:.2f} s")
    places = [
        (tree["metadata"]["name"], _address(api, tree, clock), tree["spec"]["ports"][0]["port"]) for tree in services
    ]
    _show_answers(paths, config.api_port, places, pods)
    _show_tables(api)
    _show_next(name, paths, api)
    return 0


def _serving_pods(api: Api, objects: list[Tree], clock: Clock) -> list[str]:
    """Returns the Pods' names once every Service has as many endpoints as the Deployments have replicas."""
    replicas = sum(tree["spec"]["replicas"] for tree in objects if tree["kind"] == "Deployment")
    services = [tree["metadata"]["name"] for tree in objects if tree["kind"] == "Service"]

    def serving() -> bool:
        return all(_endpoints(api, name) == replicas for name in services)

    if not wait_for(serving, clock=clock, pause=time.sleep, limit_s=_SERVE_LIMIT_S):
        table = render_table(api.get(_PODS, accept=TABLE), wide=True)
        raise CommandError(f"the Pods do not serve after {_SERVE_LIMIT_S:.0f} s:\n{table}")
    return sorted(item["metadata"]["name"] for item in api.get(_PODS)["items"])


def _endpoints(api: Api, service: str) -> int:
    subsets = api.get(f"/api/v1/namespaces/default/endpoints/{service}").get("subsets") or []
    return sum(len(subset.get("addresses") or []) for subset in subsets)


def _address(api: Api, tree: Tree, clock: Clock) -> str:
    """Returns the address for the requests: of the load balancer if the Service has one, otherwise the cluster IP."""
    if not is_load_balancer(typed(tree["spec"])):
        return str(tree["spec"]["clusterIP"])
    name = tree["metadata"]["name"]
    points: list[Tree] = []

    def given() -> bool:
        status = api.get(f"/api/v1/namespaces/default/services/{name}")["status"]
        points[:] = status.get("loadBalancer", {}).get("ingress", [])
        return bool(points)

    if not wait_for(given, clock=clock, pause=time.sleep, limit_s=_SERVE_LIMIT_S):
        raise CommandError(f"service {name} has no address after {_SERVE_LIMIT_S:.0f} s")
    return str(points[0]["ip"])


def _show_answers(paths: Paths, api_port: int, places: list[tuple[str, str, int]], pods: list[str]) -> None:
    common = {pod.rpartition("-")[0] for pod in pods}
    short = {pod: f"…-{pod.rpartition('-')[2]}" if len(common) == 1 else pod for pod in pods}
    print(f"\n{REQUESTS} requests to each Service, and how often each Pod answered:\n")
    rows = []
    for name, address, port in places:
        for origin, counts in (
            (f"Pod {short[pods[0]]}", _from_pod(paths, api_port, pods, address, port)),
            ("node1", _from_node(paths, pods, address, port)),
        ):
            rows.append([name, f"{address}:{port}", origin, *(str(counts[pod]) for pod in pods), str(counts["?"])])
    header = ["SERVICE", "ADDRESS", "ASKED FROM", *short.values(), "OTHER"]
    print(render(header, rows, width=terminal_width(), optional=("OTHER", "ADDRESS")))


def _from_pod(paths: Paths, api_port: int, pods: list[str], address: str, port: int) -> Counter[str]:
    from fairlead.cli.exec import exec_in_pod
    from fairlead.cli.requests import count_by_name, shell_script

    command = ["bash", "-c", shell_script(address, port, REQUESTS)]
    outcome = exec_in_pod(api_port, pki=paths.pki, pod=pods[0], command=command)
    if outcome.failure:
        raise CommandError(f"requests from Pod {pods[0]} failed: {outcome.failure} {outcome.stderr.decode()[-300:]}")
    return count_by_name(outcome.stdout.split(b"\f")[:-1], pods)


def _from_node(paths: Paths, pods: list[str], address: str, port: int) -> Counter[str]:
    from fairlead.cli.requests import count_by_name, get

    record = read_run(paths)
    if record is None or not record.alive():
        raise CommandError("the cluster has ended during the demo")
    answers = _inside(holder(record, None), lambda: count_by_name((get(address, port) for _ in range(REQUESTS)), pods))
    return Counter(answers)


def _inside(pid: int, work: Callable[[], Any]) -> Any:
    """Runs `work` in a child in the namespaces of `pid` and returns its result. This process keeps its namespaces."""
    ours, theirs = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(ours)
            code = run_in_node(pid, lambda: _answer(theirs, work))
        finally:
            os._exit(code)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        raw = pipe.read()
    os.waitpid(child, 0)
    result = json.loads(raw or b'{"error": "ended early"}')
    if "error" in result:
        raise CommandError(f"requests from the node failed: {result['error']}")
    return result["value"]


def _answer(pipe: int, work: Callable[[], Any]) -> NoReturn:
    try:
        result = {"value": work()}
    except OSError as e:
        result = {"error": str(e)}
    os.write(pipe, json.dumps(result).encode())
    os._exit(0)


def _show_tables(api: Api) -> None:
    for command, path, wide in (
        ("kubectl get svc", "/api/v1/namespaces/default/services", False),
        ("kubectl get ep", "/api/v1/namespaces/default/endpoints", False),
        ("kubectl get po -o wide", _PODS, True),
    ):
        try:
            table = render_table(
                api.get(path, accept=TABLE),
                wide=wide,
                width=terminal_width(),
                optional=("READINESS GATES", "NOMINATED NODE", "SELECTOR", "AGE"),
            )
        except ApiError as e:
            raise CommandError(f"{command}: {e}") from e
        print(f"\n$ {command}\n{table}")


def _show_next(name: str, paths: Paths, api: Api) -> None:
    typed, kubectl = program(), typed_kubectl()
    option = "" if running_names() == [name] else f" --name {name}"
    env = "" if userconfig.has_context(paths) else f'  eval "$({typed} env --name {name})"\n'
    print("\nThe cluster stays up. Reach its Services from here:\n")
    print(render(["SERVICE", "COMMAND"], _ways(api, f"{typed} shell{option} node2")))
    print(f"""
Pods reach each other and the Services, but no other machines. What to try next:

{env}  {kubectl} scale deployment webui --replicas 5 && {kubectl} get ep webui-svc
  {typed} open{option} svc/loadbalancer-service
  {typed} services{option}
  {typed} logs{option} --tail 20
  {typed} up --help          # e.g. --egress: Pods reach other machines
  {typed} down{option}""")


def _ways(api: Api, shell: str) -> list[list[str]]:
    """Returns each Service with the command that reaches it: on this machine if it is published, else on a node."""
    services = list_services(api, "default")
    urls = {port.name: port.url for port in published_ports(services, list_slices(api, "default")) if port.url}
    ways = []
    for service in services:
        name, address = service["metadata"]["name"], service["spec"]["clusterIP"]
        if name in urls:
            ways.append([name, f"curl {urls[name]}"])
        elif service["spec"].get("selector"):
            ways.append([name, f"{shell} {_get(address, service['spec']['ports'][0]['port'])}"])
    return sorted(ways)


def _get(address: str, port: int) -> str:
    """Returns a command that fetches a page; bash does it if curl is missing."""
    if which("curl"):
        return f"curl {address}" if port == 80 else f"curl {address}:{port}"
    return f"bash -c 'exec 3<>/dev/tcp/{address}/{port}; echo GET / >&3; cat <&3'"

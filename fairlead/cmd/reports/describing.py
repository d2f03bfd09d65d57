"""The state of a cluster: its processes, and the nodes that are Ready.

The processes come from `run.json`; each is checked to be alive, so the state is right after a kill -9 too. The
readiness of nodes comes from the API.
"""

from __future__ import annotations

from typing import Any

from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster.paths import Paths
from fairlead.cmd.cluster.state import Run, is_alive, read_run

_ASK_S = 3.0


def describe(name: str, paths: Paths) -> dict[str, Any]:
    run = read_run(paths)
    if run is None or not run.alive():
        return {"name": name, "running": False, "ready": False, "pid": None, "api": None, "nodes": [], "components": []}
    pids = {c.name: c.pid if c.pid and is_alive(c.pid, c.startTime) else 0 for c in run.components}
    ready = _ready_nodes(paths)
    nodes = [
        {
            "name": n.name,
            "ready": bool(ready and ready.get(n.name)),
            "address": next(iter(n.addresses), ""),
            "addresses": n.addresses,
            "podCIDR": next(iter(n.podCIDRs), ""),
            "podCIDRs": n.podCIDRs,
            "pid": pids.get(f"agent-{n.name}"),
        }
        for n in run.nodes
    ]
    components = [
        {"name": c.name, "pid": pids[c.name], **({"node": c.node} if c.node else {}), "restarts": c.restarts}
        for c in run.components
    ]
    return {
        "name": name,
        "running": True,
        "ready": run.ready,
        "upgraded": run.installation.is_replaced(),
        "pid": run.pid,
        "api": run.api,
        "apiAnswers": ready is not None,
        "kubeconfig": run.kubeconfig,
        "authorizationMode": _authorization_mode(paths),
        **_api_elsewhere(run, paths),
        **({"hostRoutes": _host_routes(run, paths)} if run.hostLink else {}),
        "nodes": nodes,
        "components": components,
    }


def _api_elsewhere(run: Run, paths: Paths) -> dict[str, str]:
    """Returns the URL at which other machines reach the API, if `--api-address` is set."""
    config = settings.load(paths)
    if config is None or not config.api_address:
        return {}
    host = f"[{config.api_address}]" if ":" in config.api_address else config.api_address
    return {"apiForOthers": f"https://{host}:{run.api.rpartition(':')[2]}"}


def _authorization_mode(paths: Paths) -> str:
    config = settings.load(paths)
    return config.authorization_mode if config is not None else ""


def _host_routes(run: Run, paths: Paths) -> dict[str, Any]:
    """Returns the link, the ranges that the host reaches through it, and the host's addresses on it."""
    from fairlead.net.hostlink.plan import ranges

    config = settings.load(paths)
    blocks = [str(block) for _, block in ranges(config.network())] if config else []
    return {"link": run.hostLink, "addresses": run.hostAddresses, "ranges": blocks}


def _ready_nodes(paths: Paths) -> dict[str, bool] | None:
    """Returns the readiness of the nodes by name, or None if the API does not answer within `_ASK_S`."""
    from fairlead.cli.api import Api, ApiError

    config = settings.load(paths)
    if config is None:
        return None
    try:
        nodes = Api(config.api_port, pki=paths.pki, timeout_s=_ASK_S).get("/api/v1/nodes")["items"]
    except (OSError, ApiError):
        return None
    return {n["metadata"]["name"]: _is_ready(n) for n in nodes}


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

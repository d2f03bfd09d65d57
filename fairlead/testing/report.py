"""The state of a namespace as text: Pods, events, and the ends of logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from fairlead.cli.api import TABLE, ApiError
from fairlead.cli.table import render
from fairlead.testing.cluster import Cluster

_LINES = 40
_MOST_PODS = 10
Tree = dict[str, Any]


def describe_namespace(cluster: Cluster, namespace: str) -> Iterator[tuple[str, str]]:
    """Yields titles and texts. Yields the error if the API does not answer."""
    try:
        yield f"Pods of namespace {namespace}", _table(cluster, f"/api/v1/namespaces/{namespace}/pods")
        yield f"events of namespace {namespace}", _events(cluster, namespace)
        pods = cluster.api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
        for pod in pods[:_MOST_PODS]:
            yield from _logs(cluster, pod)
    except (ApiError, OSError) as e:
        yield f"namespace {namespace}", f"the API does not answer: {e}"


def _table(cluster: Cluster, path: str) -> str:
    """Returns the table that `kubectl get` shows."""
    table = cluster.api.get(path, accept=TABLE)
    columns = [i for i, column in enumerate(table["columnDefinitions"]) if column["priority"] == 0]
    header = [table["columnDefinitions"][i]["name"].upper() for i in columns]
    rows = [[str(row["cells"][i]) for i in columns] for row in table["rows"] or ()]
    return render(header, rows) if rows else "none"


def _events(cluster: Cluster, namespace: str) -> str:
    events = cluster.api.get(f"/api/v1/namespaces/{namespace}/events")["items"]
    events.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    rows = [
        [
            event.get("type", ""),
            event.get("reason", ""),
            f"{event['involvedObject']['kind'].lower()}/{event['involvedObject']['name']}",
            event.get("message", ""),
        ]
        for event in events
    ]
    return render(["TYPE", "REASON", "OBJECT", "MESSAGE"], rows) if rows else "none"


def _logs(cluster: Cluster, pod: Tree) -> Iterator[tuple[str, str]]:
    meta, status = pod["metadata"], pod.get("status", {})
    for state in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        for previous in (False, True) if state.get("restartCount") else (False,):
            text = ""
            with suppress(ApiError):
                text = cluster.logs(
                    meta["name"], namespace=meta["namespace"], container=state["name"], previous=previous
                )
            if lines := text.splitlines()[-_LINES:]:
                which = " before its restart" if previous else ""
                yield f"log of {meta['name']}, container {state['name']}{which}", "\n".join(lines)

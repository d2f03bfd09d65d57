"""Decides from an object of the API whether it is ready. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Tree = dict[str, Any]
Condition = str | Callable[[Tree], bool]


def is_met(obj: Tree, condition: Condition) -> bool:
    """Returns whether the object meets the condition: a predicate, the name of a condition of its status, or, if that
    is empty, what its kind needs."""
    if callable(condition):
        return condition(obj)
    return has_condition(obj, condition) if condition else is_ready(obj)


def has_condition(obj: Tree, name: str) -> bool:
    conditions = obj.get("status", {}).get("conditions", ())
    return any(c["type"].lower() == name.lower() and c["status"] == "True" for c in conditions)


def is_ready(obj: Tree) -> bool:
    """Returns whether all replicas of a workload are of its newest template and ready; of a Job, whether it is
    complete; of another object, whether its conditions Ready, Available or Established hold, if it has them."""
    spec, status = obj.get("spec", {}), obj.get("status", {})
    if status.get("observedGeneration", obj["metadata"].get("generation")) != obj["metadata"].get("generation"):
        return False
    match obj["kind"]:
        case "Deployment":
            desired = spec.get("replicas", 1)
            counts = ("replicas", "updatedReplicas", "availableReplicas")
            return has_observed(status) and all(status.get(count, 0) == desired for count in counts)
        case "StatefulSet" | "ReplicaSet" | "ReplicationController":
            return has_observed(status) and status.get("readyReplicas", 0) == spec.get("replicas", 1)
        case "DaemonSet":
            return has_observed(status) and status.get("numberReady", 0) == status.get("desiredNumberScheduled")
        case "Job":
            return has_condition(obj, "Complete")
        case "PersistentVolumeClaim":
            return bool(status.get("phase") == "Bound")
        case _:
            return _has_good_conditions(obj)


def _has_good_conditions(obj: Tree) -> bool:
    known = {c["type"]: c["status"] for c in obj.get("status", {}).get("conditions", ())}
    return all(known[name] == "True" for name in ("Ready", "Available", "Established") if name in known) and (
        obj["kind"] != "Pod" or "Ready" in known
    )


def has_observed(status: Tree) -> bool:
    """Returns whether the controller has seen the object."""
    return "observedGeneration" in status


def describe(obj: Tree) -> str:
    """Returns the state of an object that is not ready, for an error."""
    status = obj.get("status", {})
    conditions = [
        f"{c['type']}={c['status']}" + (f" ({c['message']})" if c.get("message") and c["status"] != "True" else "")
        for c in status.get("conditions", ())
    ]
    counts = [f"{key}={value}" for key, value in sorted(status.items()) if isinstance(value, int)]
    return ", ".join([*filter(None, [status.get("phase")]), *conditions, *counts]) or "no status"

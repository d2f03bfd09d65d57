"""Objects that are ready, and objects that are not."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.testing.readiness import describe, is_met

OK = [{"type": "Ready", "status": "True"}]


def made(kind: str, spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"generation": 2}, "spec": spec or {}, "status": status or {}}


SEEN = {"observedGeneration": 2}
FULL = SEEN | {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}


@pytest.mark.parametrize(
    ("obj", "ready"),
    [
        (made("Deployment", {"replicas": 3}, FULL), True),
        (made("Deployment", {"replicas": 3}, FULL | {"replicas": 4}), False),  # an old Pod is left
        (made("Deployment", {"replicas": 3}, FULL | {"updatedReplicas": 2}), False),
        (made("Deployment", {"replicas": 3}, FULL | {"observedGeneration": 1}), False),
        (made("Deployment", {"replicas": 0}, {}), False),  # no controller has seen it
        (made("StatefulSet", {"replicas": 1}, SEEN | {"readyReplicas": 1}), True),
        (made("StatefulSet", {"replicas": 1}, SEEN), False),
        (made("DaemonSet", {}, SEEN | {"numberReady": 2, "desiredNumberScheduled": 2}), True),
        (made("DaemonSet", {}, SEEN | {"numberReady": 1, "desiredNumberScheduled": 2}), False),
        (made("Job", {}, {"conditions": [{"type": "Complete", "status": "True"}]}), True),
        (made("Job", {}, {"active": 1}), False),
        (made("PersistentVolumeClaim", {}, {"phase": "Bound"}), True),
        (made("PersistentVolumeClaim", {}, {"phase": "Pending"}), False),
        (made("Pod", {}, {"conditions": OK}), True),
        (made("Pod", {}, {"phase": "Pending"}), False),
        (made("Pod", {}, {"conditions": [{"type": "Ready", "status": "False"}]}), False),
        (made("ConfigMap"), True),
        (made("Widget", {}, {"conditions": [{"type": "Available", "status": "False"}]}), False),
    ],
)
def test_an_object_is_ready_in_the_sense_of_its_kind(obj: dict[str, Any], ready: bool) -> None:
    assert is_met(obj, "") == ready


def test_a_condition_is_found_whatever_its_case() -> None:
    assert is_met(made("Pod", {}, {"conditions": OK}), "ready")
    assert not is_met(made("Pod", {}, {"conditions": OK}), "Initialized")


def test_a_function_decides_if_it_is_given() -> None:
    assert is_met(made("Service", {"clusterIP": "10.96.0.7"}), lambda obj: bool(obj["spec"]["clusterIP"]))


def test_the_state_of_an_object_is_told_in_words() -> None:
    status = {"phase": "Pending", "replicas": 1, "conditions": [{"type": "Ready", "status": "False", "message": "why"}]}
    assert describe(made("X", {}, status)) == "Pending, Ready=False (why), replicas=1"
    assert describe(made("X")) == "no status"

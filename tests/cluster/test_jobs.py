"""Jobs and CronJobs of a real cluster, by kubectl, as their documentation shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.kubectl import Kubectl
from tests.cluster.support import free_port, new_cluster, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

TWENTY = """
apiVersion: batch/v1
kind: Job
metadata: {name: twenty}
spec:
  completions: 20
  parallelism: 4
  completionMode: %s
  template:
    spec:
      restartPolicy: Never
      containers: [{name: work, image: busybox, command: [sh, -c, "sleep 0.5; echo done $JOB_COMPLETION_INDEX"]}]
"""

CRON = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec:
  schedule: "* * * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: work, image: busybox, command: [echo, tick]}]
"""


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    with new_cluster() as cluster:
        cluster.up("--nodes", "2", "--api-port", str(free_port()))
        yield Kubectl(cluster)


def status_of(kubectl: Kubectl, name: str) -> dict[str, Any]:
    path = f"/apis/batch/v1/namespaces/default/jobs/{name}"
    status: dict[str, Any] = kubectl.cluster.access().call("GET", path)["status"]
    return status


def test_a_job_completes_shows_its_log_and_is_deleted_with_its_pods(kubectl: Kubectl) -> None:
    assert "Warning" not in kubectl("create job hello --image=busybox -- echo hello from a job")
    kubectl("wait --for=condition=complete job/hello --timeout=120s")
    assert kubectl("logs job/hello") == "hello from a job\n"
    assert "Job completed" in kubectl("describe job hello")
    kubectl("delete job hello --timeout=120s")
    until("its pods are gone", lambda: kubectl("get pods -l job-name=hello -o name") == "")


def test_a_job_that_fails_says_why(kubectl: Kubectl) -> None:
    kubectl("create job broken --image=busybox -- false")
    kubectl('patch job broken -p {"spec":{"backoffLimit":0}}')
    kubectl("wait --for=condition=failed job/broken --timeout=120s")
    assert "Job has reached the specified backoff limit" in kubectl("describe job broken")
    assert status_of(kubectl, "broken")["failed"] == 1
    kubectl("delete job broken --timeout=120s")


@pytest.mark.parametrize("mode", ["NonIndexed", "Indexed"])
def test_a_killed_control_plane_counts_each_pod_of_a_job_once(kubectl: Kubectl, mode: str) -> None:
    kubectl("apply -f -", TWENTY % mode)
    until("some pods have succeeded", lambda: status_of(kubectl, "twenty").get("succeeded", 0) >= 3)
    kubectl.kill_control_plane()
    until("more pods have succeeded", lambda: status_of(kubectl, "twenty").get("succeeded", 0) >= 9)
    kubectl.kill_control_plane()
    kubectl("wait --for=condition=complete job/twenty --timeout=120s")
    status = status_of(kubectl, "twenty")
    assert (status["succeeded"], status.get("failed", 0), status["uncountedTerminatedPods"]) == (20, 0, {})
    pods = kubectl(
        "get pods -l job-name=twenty -o jsonpath={range.items[*]}{.status.phase}{.metadata.finalizers};{end}"
    )
    assert pods == "Succeeded;" * 20
    kubectl("delete job twenty --timeout=120s")


def test_a_running_job_is_suspended_and_resumed(kubectl: Kubectl) -> None:
    kubectl("create job long --image=busybox -- sleep 600")
    until("it runs", lambda: status_of(kubectl, "long").get("ready") == 1)
    kubectl('patch job long -p {"spec":{"suspend":true}}')
    kubectl("wait --for=condition=suspended job/long --timeout=120s")
    until("its pod is gone", lambda: kubectl("get pods -l job-name=long -o name") == "")
    kubectl('patch job long -p {"spec":{"suspend":false}}')
    until("it runs again", lambda: status_of(kubectl, "long").get("ready") == 1)
    assert status_of(kubectl, "long").get("failed", 0) == 0
    kubectl("delete job long --timeout=120s")


def test_a_cron_job_creates_jobs_by_its_schedule_and_by_hand(kubectl: Kubectl) -> None:
    made = kubectl("apply -f -", CRON)
    assert "created" in made
    kubectl("create job by-hand --from=cronjob/tick")
    kubectl("wait --for=condition=complete job/by-hand --timeout=120s")
    until("a Job by the schedule", lambda: "Created job tick-" in kubectl("describe cronjob tick"), limit_s=120)
    until("its success", lambda: kubectl("get cronjob tick -o jsonpath={.status.lastSuccessfulTime}") != "")
    kubectl("delete cronjob tick --timeout=120s")
    until("its Jobs are gone", lambda: kubectl("get jobs -o name") == "")


def test_a_cron_job_is_created_by_kubectl(kubectl: Kubectl) -> None:
    assert "Warning" not in kubectl("create cronjob daily --image=busybox --schedule=@daily -- true")
    assert "@daily" in kubectl("get cronjob daily")
    kubectl("delete cronjob daily --timeout=120s")

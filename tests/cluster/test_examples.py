"""The manifests of examples/workloads/: applied as they are, they become Ready and do their work."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.kubectl import Kubectl
from tests.cluster.support import ROOT, free_port, new_cluster, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [name for name in programs if not shutil.which(name, path="/usr/bin:/usr/sbin:/usr/local/bin")]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    with new_cluster("user") as cluster:
        cluster.up("--nodes", "3", "--api-port", str(free_port()))
        yield Kubectl(cluster)


@pytest.fixture
def apply(kubectl: Kubectl, request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """Applies the example that the test names, and deletes its objects afterwards."""
    text = (ROOT / "examples" / "workloads" / f"{request.param}.yaml").read_text()
    assert "Warning" not in kubectl("apply -f -", text)
    yield kubectl
    kubectl("delete --wait=false -f -", text)


def example(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("apply", [name], indirect=True, ids=[name])


def ask(kubectl: Kubectl, service: str, body: str | None = None) -> str:
    """Returns the answer of a Service's node port on the host."""
    port = int(kubectl(f"get service {service} -o jsonpath={{.spec.ports[0].nodePort}}"))
    data = None if body is None else body.encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", data, timeout=60) as answer:
        text: str = answer.read().decode()
        return text


@needs("redis-server", "python3")
@example("guestbook")
def test_the_guestbook_keeps_entries_and_its_followers_answer(apply: Kubectl) -> None:
    for name in ("redis-leader", "redis-follower", "frontend"):
        apply(f"rollout status deployment/{name} --timeout=120s")
    assert until("an entry is written", lambda: ask(apply, "frontend", "entry=hello")) == "thank you\n"
    until("the followers have the entry", lambda: ask(apply, "frontend") == "hello\n")
    until("three Pods Ready", lambda: apply("get pods -l app=guestbook --no-headers").count("1/1") == 3)


@needs("mariadbd", "mariadb", "python3")
@example("mysql")
def test_mysql_keeps_its_rows_on_a_claim_when_its_pod_is_replaced(apply: Kubectl) -> None:
    apply("rollout status deployment/blog-mysql --timeout=120s")
    apply("rollout status deployment/blog --timeout=120s")
    assert apply("get pvc mysql -o jsonpath={.status.phase}") == "Bound"
    first = until("the blog answers", lambda: int(ask(apply, "blog").split()[1]))
    apply("delete pod -l tier=mysql --timeout=120s")
    apply("rollout status deployment/blog-mysql --timeout=120s")
    assert until("the blog answers again", lambda: int(ask(apply, "blog").split()[1])) > first


@needs("redis-server", "redis-cli")
@example("replicated-redis")
def test_followers_of_a_stateful_set_find_their_leader_by_its_name(apply: Kubectl) -> None:
    apply("rollout status statefulset/redis --timeout=120s")
    assert apply("exec redis-0 -- redis-cli set colour blue") == "OK\n"
    until("the last follower has the value", lambda: apply("exec redis-2 -- redis-cli get colour") == "blue\n")
    claims = apply("get pvc -l app=redis -o jsonpath={range.items[*]}{.metadata.name}={.status.phase};{end}")
    assert claims == "data-redis-0=Bound;data-redis-1=Bound;data-redis-2=Bound;"
    apply("delete pod redis-0 --timeout=120s")
    apply("rollout status statefulset/redis --timeout=120s")
    assert until("the leader has its data", lambda: apply("exec redis-0 -- redis-cli get colour")) == "blue\n"


@needs("busybox")
@example("quorum")
def test_a_quorum_becomes_ready_and_a_drain_takes_one_member_at_a_time(apply: Kubectl) -> None:
    apply("rollout status statefulset/member --timeout=120s")
    allowed = "get pdb member -o jsonpath={.status.disruptionsAllowed}"
    until("the budget allows one", lambda: apply(allowed) == "1")
    assert len({pod["spec"]["nodeName"] for pod in apply.pods("member")}) == 3
    apply("cordon node1 node2 node3")  # the first drained member stays without a node until the second drain
    apply("drain node2 --ignore-daemonsets --delete-emptydir-data --force --timeout=120s")
    until("the budget allows none", lambda: apply(allowed) == "0")
    refused = apply.refusal("drain node3 --ignore-daemonsets --delete-emptydir-data --force --timeout=3s")
    assert "member" in refused
    apply("uncordon node1 node2 node3")
    apply("rollout status statefulset/member --timeout=120s")


@needs("busybox", "python3")
@example("jobs")
def test_the_jobs_complete_and_the_schedule_starts_one(apply: Kubectl) -> None:
    apply("wait --for=condition=complete job/pi job/indexed --timeout=120s")
    assert apply("logs job/pi").startswith("3.14159")
    assert apply("get job indexed -o jsonpath={.status.completedIndexes}") == "0-4"

    def scheduled() -> list[Any]:
        jobs = json.loads(apply("get jobs -o json"))["items"]
        return [job for job in jobs if job["metadata"]["name"].startswith("hello-") and job["status"].get("succeeded")]

    until("a Job of the schedule has succeeded", scheduled, limit_s=180)


@needs("python3")
@example("log-collector")
def test_a_log_collector_on_each_node_writes_the_logs_of_that_nodes_pods(apply: Kubectl) -> None:
    apply("rollout status daemonset/log-collector --timeout=120s")
    assert len({pod["spec"]["nodeName"] for pod in apply.pods("log-collector")}) == 3
    apply.run(["run", "talker", "--image=busybox", "--command", "--", "sh", "-c", "echo spoken; sleep 600"])
    node = until("the talker's node", lambda: apply("get pod talker -o jsonpath={.spec.nodeName}"))
    collector = next(pod for pod in apply.pods("log-collector") if pod["spec"]["nodeName"] == node)

    def collected() -> list[str]:
        lines = apply(f"logs {collector['metadata']['name']}").splitlines()
        return [line for line in lines if json.loads(line).get("line") == "spoken"]

    assert json.loads(until("the line is collected", collected)[0])["pod"] == "talker"
    apply("delete pod talker --grace-period=0 --force")

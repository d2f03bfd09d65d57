"""Upstream's controller manager and scheduler in the places of ours: they must see every kind and act on it.

The paths of the programs are in FAIRLEAD_TEST_KUBE_CONTROLLER_MANAGER and FAIRLEAD_TEST_KUBE_SCHEDULER (1.36).
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, watch

from .apiserver import Served

PROGRAMS = ("FAIRLEAD_TEST_KUBE_CONTROLLER_MANAGER", "FAIRLEAD_TEST_KUBE_SCHEDULER")
_TROUBLE = re.compile(r"Failed to watch|failed to list|unable to (decode|sync)|no kind .* is registered")
_WAIT_S = 600
_LABELS = {"app": "web"}
READY = client.V1NodeCondition(type="Ready", status="True", reason="KubeletReady", message="ready")


@contextmanager
def running(program: str, served: Served, home: Path) -> Iterator[Path]:
    """Runs a component; yields its log."""
    log = home / f"{Path(program).name}.log"
    command = [
        program,
        f"--kubeconfig={served.kubeconfig}",
        "--leader-elect=false",
        f"--cert-dir={home}",
        "--bind-address=127.0.0.1",
        "--secure-port=0",
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=home)
        try:
            yield log
            assert process.poll() is None, log.read_text()[-2000:]
        finally:
            process.terminate()
            process.wait()


def wait_for(listing: Callable[..., Any], found: Callable[[list[Any]], bool], **where: Any) -> list[Any]:
    """Watches a list until it is as wanted."""
    first = listing(**where)
    items = {item.metadata.uid: item for item in first.items}
    if found(list(items.values())):
        return list(items.values())
    version = first.metadata.resource_version
    stream = watch.Watch().stream(listing, resource_version=version, timeout_seconds=_WAIT_S, **where)
    with closing(stream) as events:
        for event in events:
            obj = event["object"]
            if event["type"] == "DELETED":
                items.pop(obj.metadata.uid, None)
            else:
                items[obj.metadata.uid] = obj
            if found(list(items.values())):
                return list(items.values())
    raise AssertionError(f"not reached: {[(item.metadata.name, item.status) for item in items.values()]}")


def deployment(name: str, replicas: int) -> client.V1Deployment:
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=_LABELS),
        spec=client.V1PodSpec(containers=[client.V1Container(name="web", image="web")]),
    )
    spec = client.V1DeploymentSpec(
        replicas=replicas, selector=client.V1LabelSelector(match_labels=_LABELS), template=template
    )
    return client.V1Deployment(metadata=client.V1ObjectMeta(name=name), spec=spec)


def add_node(core: client.CoreV1Api, name: str) -> None:
    amounts = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    core.create_node(client.V1Node(metadata=client.V1ObjectMeta(name=name)))
    status = client.V1NodeStatus(capacity=amounts, allocatable=amounts, conditions=[READY])
    core.patch_node_status(name, client.V1Node(status=status))
    core.patch_node(name, {"spec": {"taints": []}})


@pytest.mark.slow
@pytest.mark.skipif(not all(map(os.environ.get, PROGRAMS)), reason=f"programs are not given: {' and '.join(PROGRAMS)}")
def test_upstreams_controllers_and_scheduler_work_and_see_every_kind(
    served: Served, api: client.ApiClient, tmp_path: Path
) -> None:
    manager, scheduler = (os.environ[name] for name in PROGRAMS)
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    with running(manager, served, tmp_path) as first, running(scheduler, served, tmp_path) as second:
        core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name="shop")))
        quota = client.V1ResourceQuota(
            metadata=client.V1ObjectMeta(name="quota"), spec=client.V1ResourceQuotaSpec(hard={"pods": "10"})
        )
        core.create_namespaced_resource_quota("shop", quota)
        wait_for(core.list_namespaced_service_account, bool, namespace="shop")
        add_node(core, "n1")
        apps.create_namespaced_deployment("shop", deployment("web", 3))
        pods = wait_for(
            core.list_namespaced_pod,
            lambda items: len(items) == 3 and all(pod.spec.node_name for pod in items),
            namespace="shop",
        )
        wait_for(
            core.list_namespaced_resource_quota,
            lambda items: any((item.status.used or {}).get("pods") == "3" for item in items),
            namespace="shop",
        )
        apps.delete_namespaced_deployment("web", "shop", propagation_policy="Foreground")
        # The garbage collector deletes the Pods once it has seen every kind; a kubelet would end them.
        wait_for(
            core.list_namespaced_pod,
            lambda items: all(pod.metadata.deletion_timestamp for pod in items),
            namespace="shop",
        )
        for pod in pods:
            core.delete_namespaced_pod(pod.metadata.name, "shop", grace_period_seconds=0)
        wait_for(apps.list_namespaced_deployment, lambda items: not items, namespace="shop")
        core.delete_namespace("shop")
        wait_for(core.list_namespace, lambda items: "shop" not in [item.metadata.name for item in items])
        logs = first.read_text() + second.read_text()
    assert [line for line in logs.splitlines() if _TROUBLE.search(line)] == []

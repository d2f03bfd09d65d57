"""The official Python client lists, creates, watches and patches Services."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException

from tests.kubectl.conftest import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


@pytest.fixture
def core(kubectl: Kubectl) -> Any:
    new_client: Any = config.new_client_from_config
    return client.CoreV1Api(new_client(str(kubectl.cluster.state / "kubeconfig")))


def service(name: str) -> client.V1Service:
    spec = client.V1ServiceSpec(selector={"app": "webui"}, ports=[client.V1ServicePort(port=80)])
    return client.V1Service(metadata=client.V1ObjectMeta(name=name), spec=spec)


def test_services_are_listed_created_watched_and_patched(core: Any) -> None:
    before = core.list_namespaced_service("default")
    assert [s.metadata.name for s in before.items] == ["kubernetes"]

    created = core.create_namespaced_service("default", service("from-python"))
    assert created.spec.cluster_ip.startswith("10.")
    patched = core.patch_namespaced_service("from-python", "default", {"metadata": {"labels": {"a": "b"}}})
    assert patched.metadata.labels == {"a": "b"}
    core.delete_namespaced_service("from-python", "default")

    watching: Any = watch.Watch
    stream = watching().stream(
        core.list_namespaced_service,
        "default",
        resource_version=before.metadata.resource_version,
        timeout_seconds=3,
    )
    seen = [(event["type"], event["object"].metadata.name) for event in stream]
    assert seen == [("ADDED", "from-python"), ("MODIFIED", "from-python"), ("DELETED", "from-python")]


def test_errors_come_as_the_client_knows_them(core: Any) -> None:
    with pytest.raises(ApiException) as caught:
        core.read_namespaced_service("absent", "default")
    assert caught.value.status == 404
